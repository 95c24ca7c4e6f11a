"""Everything that speaks to the WeChat server platform, and nothing that knows what we use it for."""

"""The WSGI application: `gunicorn wsgi:app`, and what `flask` commands find."""

from app import create_app

app = create_app()

// The application's API as the mini-program calls it: sign-in, tokens, problems, safe repetition, files.

export class Problem extends Error {
  // `status` 0: no answer came.
  constructor(status, { code = "", title = "", fields = {}, details = {} } = {}) {
    super(title || `服务没有正常应答（${status}），请稍后重试`);
    Object.assign(this, { status, code, fields, details });
  }
}

export function nonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

export function createApi(wx) {
  const keys = new Map(); // one key per POST until it is answered, so that a repetition is harmless
  let pair = wx.getStorageSync("tokens") || null;
  let renewing = null;

  function keep(fresh) {
    pair = fresh;
    if (fresh) wx.setStorageSync("tokens", fresh);
    else wx.removeStorageSync("tokens");
  }

  async function once(method, path, data) {
    const header = pair ? { Authorization: `Bearer ${pair.access_token}` } : {};
    const act = `${path} ${JSON.stringify(data)}`;
    if (method === "POST" && pair) {
      if (!keys.has(act)) keys.set(act, nonce());
      header["Idempotency-Key"] = keys.get(act);
    }
    let reply;
    try {
      reply = await wx.request({ url: `/api/v1/${path}`, method, data, header });
    } catch {
      throw new Problem(0, { code: "network", title: "网络不通，请检查后再试" });
    }
    if (reply.statusCode < 500) keys.delete(act);
    if (reply.statusCode >= 400) throw new Problem(reply.statusCode, Object(reply.data));
    return reply.data;
  }

  // An access token lives for half an hour; the other one for a month; after that WeChat knows who it is.
  async function renew() {
    try {
      keep(await once("POST", "people/refresh", { refresh_token: pair.refresh_token }));
    } catch (problem) {
      if (problem.status === 0 || problem.status >= 500) throw problem;
      keep(null);
      await signIn();
    }
  }

  async function call(method, path, data) {
    try {
      return await once(method, path, data);
    } catch (problem) {
      if (problem.status !== 401 || !pair) throw problem;
      renewing ??= renew().finally(() => {
        renewing = null;
      });
      await renewing;
      return once(method, path, data);
    }
  }

  async function signIn(consent_version) {
    const { code } = await wx.login();
    keep(await once("POST", "people/sign-in", consent_version ? { code, consent_version } : { code }));
  }

  function given(query) {
    return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  }

  return {
    signIn,
    get signedIn() {
      return Boolean(pair);
    },
    forget: () => keep(null),
    get: (path, query = {}) => call("GET", path, given(query)),
    post: (path, data) => call("POST", path, data),
    patch: (path, data) => call("PATCH", path, data),
    remove: (path) => call("DELETE", path),

    // Every page of a list whose end is near: members, one's own enterprises, a roster.
    async all(path, query = {}) {
      const items = [];
      let cursor = "";
      do {
        const page = await call("GET", path, given({ ...query, limit: 200, cursor }));
        items.push(...page.items);
        cursor = page.next;
      } while (cursor);
      return items;
    },

    // What wx.downloadFile does: a picture, a PDF or a calendar, which only the signed-in person may have.
    async file(path) {
      await call("GET", "people/me"); // renews the token if it is time
      const reply = await fetch(`/__sim__/app/${path}`, {
        headers: { Authorization: `Bearer ${pair.access_token}` },
      }).catch(() => {
        throw new Problem(0, { code: "network", title: "网络不通，请检查后再试" });
      });
      if (!reply.ok) throw new Problem(reply.status, await reply.json().catch(() => ({})));
      return reply.blob();
    },
  };
}

// Behind the binding `env.AI`: sends what it asks to the REST API at `BASE_URL`, so that an emulator answers.

const GATEWAY_HEADERS = {
  id: "cf-aig-gateway-id",
  cacheKey: "cf-aig-cache-key",
  cacheTtl: "cf-aig-cache-ttl",
  skipCache: "cf-aig-skip-cache",
  collectLog: "cf-aig-collect-log",
  eventId: "cf-aig-event-id",
  requestTimeoutMs: "cf-aig-request-timeout",
  metadata: "cf-aig-metadata",
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const api = `${env.BASE_URL}/accounts/${env.ACCOUNT_ID}/ai`;
    const authorization = `Bearer ${env.API_TOKEN}`;
    if (url.pathname.endsWith("/models/search"))
      return fetch(`${api}/models/search${url.search}`, { headers: { authorization } });
    const isJson = request.headers.get("content-type") === "application/json";
    if (!url.pathname.endsWith("/run") || !isJson || url.pathname.includes("/gateways/"))
      return refusal("the emulator's binding has run() with JSON and models(), and nothing else");

    const { inputs, options = {} } = await request.json();
    const [model] = request.headers.get("cf-consn-model-id").split(":").slice(-1);
    const query = options.queueRequest ? "?queueRequest=true" : "";
    const body = options.rejectIfBusy ? { ...inputs, options: { ...inputs.options, rejectIfBusy: true } } : inputs;
    return fetch(`${api}/run/${model.split("/").map(encodeURIComponent).join("/")}${query}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: headersOf(request.headers, options.gateway, authorization),
      signal: request.signal,
    });
  },
};

function headersOf(given, gateway, authorization) {
  const headers = new Headers(given);
  headers.delete("content-length");
  headers.set("authorization", authorization);
  headers.append("x-emulator-faults", "bare, form=binding"); // answers and errors without Cloudflare's envelope
  for (const [option, header] of Object.entries(GATEWAY_HEADERS)) {
    const value = gateway?.[option];
    if (value !== undefined) headers.set(header, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return headers;
}

function refusal(description) {
  const errors = [{ code: 99999, message: description }]; // which toMarkdown reads
  const error = { name: "AiError", internalCode: 99999, httpCode: 501, description, errors };
  return Response.json(error, { status: 501 });
}

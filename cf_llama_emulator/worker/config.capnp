using Workerd = import "/workerd/workerd.capnp";

# A Worker on port 8787 whose `env.AI` is answered by the emulator: workerd serve config.capnp

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "bridge", worker = .bridge),
    (name = "emulator", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-04-01",
  bindings = [(
    name = "AI",
    wrapped = (
      moduleName = "cloudflare-internal:ai-api",
      innerBindings = [(name = "fetcher", service = "bridge")],
    ),
  )],
);

const bridge :Workerd.Worker = (
  modules = [(name = "bridge", esModule = embed "bridge.mjs")],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["enable_request_signal"],
  globalOutbound = "emulator",
  bindings = [
    (name = "BASE_URL", text = "http://127.0.0.1:8799/client/v4"),
    (name = "ACCOUNT_ID", text = "0123456789abcdef0123456789abcdef"),
    (name = "API_TOKEN", text = "emulator-token"),
  ],
);

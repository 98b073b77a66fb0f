/** Scripts a running emulator (`cf-llama serve`) from tests in TypeScript. Needs nothing but `fetch`. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Part of an answer: a text, or an object with one key. */
export type Part =
  | string
  | { call: { name: string; arguments?: { [key: string]: Json } | string | null; id?: string | null } }
  /** `name[=value], ...`; comes first in a turn. */
  | { faults: string }
  /** A code of the service, e.g. 3040, or any refusal. */
  | { error: number | { status: number; code: number; text: string } }
  | { end: { finish_reason?: string; prompt_tokens?: number | null; completion_tokens?: number | null } }
  /** A whole HTTP response, alone in its turn; `pause` in seconds before each chunk. */
  | { raw: { status?: number; headers?: Record<string, string>; chunks?: string[]; pause?: number; cut?: boolean } };

/** Answer to one request: a text is cut into pieces as a tokenizer would, a list is sent as it is. */
export type Turn = Part | Part[];

export interface LoggedRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  /** By lower-case name; credentials are redacted. */
  headers: Record<string, string>;
  body: Json;
}

export class Emulator {
  readonly #url: string;

  /** `origin`: where the emulator listens, by default where `cf-llama serve` does. */
  constructor(origin = "http://127.0.0.1:8799") {
    this.#url = new URL("/__emulator/", origin).href;
  }

  /** Adds the next answers, one for each request; returns how many are unused. */
  async say(...turns: Turn[]): Promise<number> {
    return (await this.#call<{ remaining: number }>("script", { turns })).remaining;
  }

  /** Lets the next requests fail, one text of `name[=value], ...` for each. */
  async faults(...faults: string[]): Promise<void> {
    await this.#call("script", { faults });
  }

  /** Lets every request fail, until the next call of this method or of `reset`. */
  async always(always: string): Promise<void> {
    await this.#call("script", { always });
  }

  /** The requests seen since the last reset, oldest first. */
  async requests(): Promise<LoggedRequest[]> {
    return (await this.#call<{ requests: LoggedRequest[] }>("requests")).requests;
  }

  /** Forgets script, faults and requests; returns how many answers were left unused. */
  async reset(): Promise<number> {
    return (await this.#call<{ remaining: number }>("reset", {})).remaining;
  }

  async #call<T>(route: string, body?: unknown): Promise<T> {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(this.#url + route, init).catch((cause: unknown) => {
      throw new Error(`no emulator answers at ${this.#url}; \`cf-llama serve\` starts one`, { cause });
    });
    const answer = (await response.json()) as T & { error?: string };
    if (!response.ok) throw new Error(`the emulator refused /__emulator/${route}: ${answer.error}`);
    return answer;
  }
}

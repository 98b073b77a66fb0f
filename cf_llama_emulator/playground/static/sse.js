// A push parser of server-sent events: feed it text as it comes, get back the data of each event that is complete.

export class EventDecoder {
  #rest = "";
  #data = [];
  #started = false;

  feed(text) {
    if (!this.#started && text) {
      this.#started = true;
      text = text.replace(/^\ufeff/, "");
    }
    this.#rest += text;
    const events = [];
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(this.#rest); // a last \r may be half of a \r\n
      if (!end) return events;
      this.#line(this.#rest.slice(0, end.index), events);
      this.#rest = this.#rest.slice(end.index + end[0].length);
    }
  }

  // What is left when the stream ends without a blank line.
  finish() {
    const events = [];
    this.#line(this.#rest.replace(/\r$/, ""), events);
    this.#line("", events);
    this.#rest = "";
    return events;
  }

  #line(line, events) {
    if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    if (line !== "" || !this.#data.length) return;
    const data = this.#data.join("\n");
    this.#data = [];
    // without blank lines between them, several events look like one of many lines
    events.push(...(isJson(data) || data === "[DONE]" ? [data] : data.split("\n")).filter(Boolean));
  }
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// Tools and a schema to begin with.

const tool = (name, description, properties, required = Object.keys(properties)) => ({
  type: "function",
  function: { name, description, parameters: { type: "object", properties, required } },
});
const text = (description) => ({ type: "string", description });

const weather = tool("get_weather", "Get the current weather in a city", { city: text("The city's name") });
const order = tool("order_status", "Look up where an order is", { order_id: text("The order's number") });
const sum = tool("add", "Add two numbers", {
  a: { type: "number", description: "The first number" },
  b: { type: "number", description: "The second number" },
});

export const SAMPLES = {
  get_weather: [weather],
  order_status: [order],
  add: [sum],
  "all three": [weather, order, sum],
};

export const SCHEMA_SAMPLE = {
  type: "object",
  properties: { title: text("A short title"), tags: { type: "array", items: { type: "string" } } },
  required: ["title", "tags"],
};

export const FORMS = { messages: "messages", prompt: "prompt, in the service's template", raw: "raw prompt" };

export const FORMATS = { text: "text", json_object: "any JSON object", json_schema: "JSON of a schema" };

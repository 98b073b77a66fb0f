// The AI SDK with workers-ai-provider: a loop with a tool, a stream, and embeddings.
import { embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { z } from "zod";

const MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const add = tool({
  description: "Add two numbers",
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => a + b,
});

export default {
  async fetch(request: Request, env: { AI: any }): Promise<Response> {
    const workersai = createWorkersAI({ binding: env.AI });
    const prompt = "Hello";
    switch (new URL(request.url).pathname) {
      case "/tools": {
        const options = { model: workersai(MODEL), prompt, tools: { add }, stopWhen: stepCountIs(3), maxRetries: 0 };
        const { text, steps } = await generateText(options);
        return Response.json({ text, results: steps.flatMap((step) => step.toolResults.map((result) => result.output)) });
      }
      case "/embeddings": {
        const model = workersai.textEmbedding("@cf/baai/bge-small-en-v1.5");
        return Response.json((await embedMany({ model, values: ["a", "b"] })).embeddings.map((vector) => vector.length));
      }
      default:
        return streamText({ model: workersai(MODEL), prompt, maxRetries: 0 }).toTextStreamResponse();
    }
  },
};

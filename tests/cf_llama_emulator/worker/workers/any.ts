// Does with the binding what the request's body says, and tells what came of it.
export default {
  async fetch(request: Request, { AI }: { AI: any }): Promise<Response> {
    const { method, args } = (await request.json()) as { method: string; args: any[] };
    if (args[2]?.timeout) args[2].signal = AbortSignal.timeout(args[2].timeout);
    try {
      const answer = await AI[method](...args);
      const result = answer instanceof Response ? [answer.status, await answer.json()] : answer;
      return Response.json({ result, requestId: AI.lastRequestId, logId: AI.aiGatewayLogId });
    } catch (error) {
      const { name, message } = error as Error;
      return Response.json({ name, message, status: AI.lastRequestHttpStatusCode, code: AI.lastRequestInternalStatusCode });
    }
  },
};

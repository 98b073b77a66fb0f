// Why a request failed, in whichever form the service, its edge or a gateway says so; null where nothing failed.

export function errorOf(payload) {
  const told = [payload.errors, payload.error].flat().filter(Boolean);
  if (told.length) return told.map(line).join("; ");
  const isError = payload.internalCode !== undefined || payload.object === "error" || payload.detail !== undefined;
  if (isError)
    return line({ code: payload.internalCode ?? payload.error_code, message: payload.message ?? payload.detail });
  return payload.success === false ? "The answer says success: false, and no reason." : null;
}

function line(error) {
  if (typeof error === "string") return error;
  const { code, message } = error;
  return message === undefined ? JSON.stringify(error) : [code, message].filter(Boolean).join(": ");
}

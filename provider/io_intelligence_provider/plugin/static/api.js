// Requests the JSON routes. Caching by ETag makes an unchanged response cheap.

class ApiError extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.title = error.title;
    this.action = error.action;
    this.kind = error.kind;
  }
}

function unknown(response) {
  if (response.status === 401) {
    return {
      kind: "login",
      title: "You are logged out",
      message: "Airflow does not know you any more.",
      action: "Log in to Airflow again, then reload this page.",
    };
  }
  if (response.status === 403) {
    return {
      kind: "forbidden",
      title: "You may not see this page",
      message: "Your Airflow role lacks the right to view plugins.",
      action: "Ask an Airflow administrator for the view permission “Plugins”.",
    };
  }
  return {
    kind: "server",
    title: "Airflow could not answer",
    message: `The API server answered ${response.status}.`,
    action: "Its log says why.",
  };
}

async function problem(response) {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // not JSON, for example a proxy's page
  }
  return new ApiError(response.status, body?.error?.title ? body.error : unknown(response));
}

/** Return the JSON of a route. `params` may hold arrays; null is left out. */
export async function get(route, params = {}, signal) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== null && item !== undefined && item !== "") query.append(key, item);
    }
  }
  const text = query.toString();
  let response;
  try {
    response = await fetch(`api/${route}${text ? `?${text}` : ""}`, {
      signal,
      credentials: "same-origin",
      headers: { Accept: "application/json" },
      cache: "no-cache",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {
      kind: "network",
      title: "Airflow cannot be reached",
      message: "The API server did not answer.",
      action: "Check the network, then try again.",
    });
  }
  if (!response.ok) throw await problem(response);
  return response.json();
}

/** Return all items of a paged route, one page after another. */
export async function all(route, params, signal, limit) {
  const first = await get(route, { ...params, limit, offset: 0 }, signal);
  while (first.items.length < first.total) {
    const next = await get(route, { ...params, limit, offset: first.items.length }, signal);
    if (!next.items.length) break;
    first.items.push(...next.items);
  }
  return first;
}

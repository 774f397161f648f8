// @ts-check
// Requests the JSON routes. Caching by ETag makes an unchanged response cheap.

/** @typedef {{kind: string, title: string, message: string, action: string}} Problem */
/** @typedef {Record<string, string | number | null | undefined | readonly string[]>} Parameters */

/**
 * The answer of each route.
 * @typedef {{
 *   status: Api.StatusAnswer, overview: Api.OverviewAnswer, models: Api.ModelsAnswer, model: Api.ModelAnswer,
 *   history: Api.HistoryAnswer, traffic: Api.TrafficAnswer, costs: Api.CostsAnswer,
 *   changes: Api.ChangesAnswer, "changes/days": Api.ChangesByDayAnswer,
 *   alerts: Api.AlertsAnswer, trust: Api.TrustAnswer,
 *   quality: Api.QualityAnswer, quarantine: Api.QuarantineAnswer,
 *   datasets: Api.DatasetsAnswer, dataset: Api.DatasetAnswer, "dataset/refused": Api.RefusedAnswer,
 * }} Answers
 */

/** An error with a title and what to do. `kind` is that of the routes, "network" without an answer. */
export class ApiError extends Error {
  /** @param {Problem} problem */
  constructor({ kind, title, message, action }) {
    super(message);
    this.kind = kind;
    this.title = title;
    this.action = action;
  }
}

/**
 * @param {number} status
 * @returns {Problem}
 */
function unknown(status) {
  if (status === 401)
    return {
      kind: "login",
      title: "You are logged out",
      message: "Airflow does not know you any more.",
      action: "Log in to Airflow again, then reload this page.",
    };
  if (status === 403)
    return {
      kind: "forbidden",
      title: "You may not see this page",
      message: "Your Airflow role lacks the right to view plugins.",
      action: "Ask an Airflow administrator for the view permission “Plugins”.",
    };
  return {
    kind: "server",
    title: "Airflow could not answer",
    message: `The API server answered ${status}.`,
    action: "Its log says why.",
  };
}

/**
 * Return parameters as a query; arrays repeat their key, and null and "" are left out.
 * @param {Parameters} params
 */
export function queryOf(params) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== null && item !== undefined && item !== "") query.append(key, String(item));
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

/**
 * Return the answer of a route.
 * @template {keyof Answers} R
 * @param {R} route
 * @param {Parameters} [params]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answers[R]>}
 */
export function get(route, params = {}, signal) {
  return answered(`api/${route}${queryOf(params)}`, { signal, headers: ACCEPT, cache: "no-cache" });
}

/**
 * Return the answer of a route that takes a body, which stays out of the address.
 * @template {keyof Answers} R
 * @param {R} route
 * @param {object} body
 * @returns {Promise<Answers[R]>}
 */
export function post(route, body) {
  const headers = { ...ACCEPT, "Content-Type": "application/json" };
  return answered(`api/${route}`, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" });
}

const ACCEPT = { Accept: "application/json" };

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function answered(address, options) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...options });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ApiError({
      kind: "network",
      title: "Airflow cannot be reached",
      message: "The API server did not answer.",
      action: "Check the network, then try again.",
    });
  }
  if (response.ok) return response.json();
  let body = null;
  try {
    body = await response.json();
  } catch {
    // not JSON, for example a proxy's page
  }
  throw new ApiError(body?.error?.title ? body.error : unknown(response.status));
}

/**
 * Return the answer of a paged route with all items.
 * @template {"models" | "changes"} R
 * @param {R} route
 * @param {Parameters} params
 * @param {number} limit
 * @returns {Promise<Answers[R]>}
 */
export async function all(route, params, limit) {
  const first = await get(route, { ...params, limit, offset: 0 });
  const items = /** @type {unknown[]} */ (first.items);
  while (items.length < first.total) {
    const next = await get(route, { ...params, limit, offset: items.length });
    if (!next.items.length) break;
    items.push(...next.items);
  }
  return first;
}

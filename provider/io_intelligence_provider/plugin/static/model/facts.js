// @ts-check
// Lists the other columns of a model as terms and values.

import { notPublished } from "../components.js";
import { h } from "../dom.js";
import { capital, count, cut, field, PRICES, plural, QUOTAS } from "../format.js";
import { outerLink } from "../route.js";

/** @param {Api.Fact} fact */
function written(fact) {
  const { value } = fact;
  if (value === null || value === undefined) return notPublished();
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none";
  if (typeof value === "number")
    return `${Number.isInteger(value) ? count(value) : value}${fact.unit ? ` ${fact.unit}` : ""}`;
  // Timestamps are in UTC; seconds are not of interest here.
  if (typeof value === "string" && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(value))
    return `${value.slice(0, 10)} ${value.slice(11, 16)}`;
  return cut(String(value), 2000);
}

const LONG = ["model_id", "description", "short_description", "extra", "tags", "image_url"];

/** @param {Api.ModelAnswer} data */
export function facts(data) {
  const { model } = data;
  const quota = (/** @type {string} */ key) => {
    const number = model.quotas[key];
    return /** @type {const} */ ([
      `${capital(field(key))} quota`,
      number === null ? notPublished() : `${count(number)}${QUOTA_UNITS[key] ?? " a day"}`,
    ]);
  };
  /** @type {(readonly [string, import("../dom.js").Child])[]} */
  const lines = [
    ["Context", model.context_window === null ? notPublished() : `${count(model.context_window)} tokens`],
    ["Max tokens", model.max_tokens === null ? notPublished() : count(model.max_tokens)],
    ...QUOTAS.map(quota),
    ["Access tier", model.min_access_tier === null ? notPublished() : cut(model.min_access_tier, 200)],
    ["Status", model.status ?? notPublished()],
    ["Developer", model.developer === null ? notPublished() : cut(model.developer, 200)],
    ["Trendiness", model.trendiness === null ? notPublished() : `${model.trendiness} of 10`],
    ["Capabilities", model.capabilities.join(", ") || "none"],
    ["In the store since", data.first_seen],
    [
      "Price changes",
      data.price_changes === null
        ? "not on file"
        : `${count(data.price_changes)} on ${plural(data.price_change_days ?? 0, "day")}`,
    ],
  ];
  const known = new Set(["context_window", "max_tokens", "status", "name", ...PRICES, ...QUOTAS]);
  const rest = data.model.facts.filter((fact) => !known.has(fact.column));
  const short = rest.filter((fact) => !LONG.includes(fact.column));
  const long = rest.filter((fact) => LONG.includes(fact.column) && fact.value !== null);
  return [
    h("div", { class: "section-head" }, h("h3", {}, "Facts")),
    h(
      "dl",
      { class: "facts" },
      lines.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", { dir: "auto" }, value))),
      short.map((fact) =>
        h("div", { title: fact.label }, h("dt", {}, label(fact)), h("dd", { dir: "auto" }, written(fact))),
      ),
    ),
    long.length
      ? h(
          "dl",
          { class: "facts long" },
          long.map((fact) =>
            h(
              "div",
              {},
              h("dt", {}, label(fact)),
              h("dd", { dir: "auto" }, fact.column === "image_url" ? safeLink(String(fact.value)) : written(fact)),
            ),
          ),
        )
      : null,
  ];
}

/** @type {Record<string, string>} */
const QUOTA_UNITS = {
  audio_transcriptions_daily_quota_tier_1: " seconds a day",
  audio_speech_daily_quota_tier_1: " characters a day",
};

/** @type {Record<string, string>} */
const LABELS = {
  model_id: "Model id",
  enable_api_chat_completions: "Chat API",
  enable_api_embeddings: "Embeddings API",
  enable_audio_stt: "Speech to text",
  enable_audio_tts: "Text to speech",
  enable_chat_ui: "Chat page",
  supports_images_input: "Image input",
  supports_prompt_cache: "Prompt cache",
  tool_support: "Tool support",
  supports_tools: "Tools",
  supports_reasoning: "Reasoning",
  supports_attestation: "Attestation",
  input_modalities: "Takes",
  output_modalities: "Gives",
  avg_latency_ms_per_day: "Mean latency",
  avg_throughput_per_day: "Mean throughput",
  created_at: "Created",
  updated_at: "Updated",
  fetched_at: "Fetched",
  image_url: "Picture",
};

/** @param {Api.Fact} fact */
function label(fact) {
  return LABELS[fact.column] ?? capital(fact.column.replaceAll("_", " "));
}

/**
 * Link only to https URLs from outside; anything else is shown as text.
 * @param {string} text
 */
function safeLink(text) {
  let url = null;
  try {
    url = new URL(text);
  } catch {
    // not a URL
  }
  return url?.protocol === "https:" ? h("a", outerLink(url), cut(text, 200)) : cut(text, 2000);
}

// @ts-check
// Lets the login come back to the view that was asked for: only the browser knows the part of the address after the hash.

import { loginLink, restore } from "./route.js";

restore();
const anchor = document.querySelector("a");
if (anchor) {
  const { href, onclick } = loginLink();
  anchor.href = href;
  anchor.addEventListener("click", onclick);
}

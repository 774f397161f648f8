// Keeps the keyboard focus when controls are rebuilt after a change of state.

const FOCUSABLE = "a[href], button, input, select, [tabindex='0']";

/** Return what identifies a control before and after it is rebuilt. */
function known(element) {
  return [element.tagName, element.getAttribute("aria-label"), element.textContent.slice(0, 60)].join("|");
}

/** Run `rebuild`, which replaces the content of `node`; focus the same control again, else the one in its place. */
export function keepFocus(node, rebuild) {
  const active = document.activeElement;
  const index = node.contains(active) ? [...node.querySelectorAll(FOCUSABLE)].indexOf(active) : -1;
  const name = index < 0 ? null : known(active);
  rebuild();
  if (index < 0) return;
  const controls = [...node.querySelectorAll(FOCUSABLE)];
  const target = active.isConnected
    ? active
    : (controls.find((control) => known(control) === name) ?? controls[index]);
  if (target !== document.activeElement) target?.focus({ preventScroll: true });
}

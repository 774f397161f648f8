// Controls are rebuilt when the state changes; whoever uses the keyboard stays where they were.

const FOCUSABLE = "a[href], button, input, select, [tabindex='0']";

/** Run `rebuild`, which replaces what `node` holds, and give the focus back to the same place. */
export function keepFocus(node, rebuild) {
  const active = document.activeElement;
  const index = node.contains(active) ? [...node.querySelectorAll(FOCUSABLE)].indexOf(active) : -1;
  rebuild();
  if (index < 0) return;
  const target = active.isConnected ? active : node.querySelectorAll(FOCUSABLE)[index];
  if (target !== document.activeElement) target?.focus({ preventScroll: true });
}

// Follows Airflow's theme: its page has the class "light" or "dark", and localStorage stores the choice.
// A classic script in the head, so that the page is never painted in the wrong theme.
(() => {
  function hostPage() {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
    } catch {
      return null; // a parent page of another origin: its theme is unknown
    }
  }

  function remembered() {
    try {
      return window.localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  const host = hostPage();
  const preference = window.matchMedia("(prefers-color-scheme: dark)");

  function wanted() {
    if (host?.classList.contains("dark")) return "dark";
    if (host?.classList.contains("light")) return "light";
    const stored = remembered();
    if (stored === "dark" || stored === "light") return stored;
    return preference.matches ? "dark" : "light";
  }

  function apply() {
    const theme = wanted();
    const root = document.documentElement;
    if (root.classList.contains(theme) && root.style.colorScheme === theme) return;
    root.classList.remove("light", "dark");
    root.classList.add(theme);
    root.style.colorScheme = theme;
  }

  apply();
  if (host) new MutationObserver(apply).observe(host, { attributes: true, attributeFilter: ["class"] });
  window.addEventListener("storage", (event) => event.key === "theme" && apply());
  preference.addEventListener("change", apply);
})();

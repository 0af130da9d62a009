// @ts-check
// Runs before the first paint (a classic script in the head) so that a chosen theme does not flash.
(() => {
  const KEY = "tallystick.theme";
  const CHOICES = ["system", "light", "dark"];
  const root = document.documentElement;

  /** @returns {string} the kept choice; a browser that refuses storage follows the system */
  function kept() {
    try {
      const value = localStorage.getItem(KEY) ?? "system";
      return CHOICES.includes(value) ? value : "system";
    } catch {
      return "system";
    }
  }

  /** @param {string} choice */
  function apply(choice) {
    if (choice === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", choice);
    dispatchEvent(new Event("themechange"));
  }

  apply(kept());
  addEventListener("DOMContentLoaded", () => {
    const button = /** @type {HTMLButtonElement | null} */ (document.querySelector("[data-theme-toggle]"));
    if (!button) return;
    const show = () => {
      button.textContent = `Theme: ${kept()}`;
    };
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(kept()) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // without storage the choice lasts as long as this page
      }
      apply(next);
      show();
    });
  });
})();

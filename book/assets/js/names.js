// Names, for those who do not see the page, of what the theme and the widgets leave without one.
(() => {
  const label = (element, name) => name && element.setAttribute("aria-label", name);

  const nameTheme = () => {
    const logo = document.querySelector(".sidebar-primary-items__start");
    if (logo) {
      logo.setAttribute("role", "region");
      label(logo, "Title and search");
    }
    for (const summary of document.querySelectorAll(".toctree-l1 > details > summary")) {
      label(summary, `Pages of ${summary.closest("li").querySelector("a").textContent.trim()}`);
    }
  };

  const nameSliders = () => {
    for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
      const slider = handle.closest(".widget-inline-hbox");
      label(handle, slider?.querySelector(".widget-label")?.textContent);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    nameTheme();
    nameSliders();
    new MutationObserver(nameSliders).observe(document.body, { childList: true, subtree: true });
  });
})();

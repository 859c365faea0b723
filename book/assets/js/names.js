// Names and roles, for those who do not see the page, that the theme and the widgets leave out.
(() => {
  const label = (element, name) => name && element.setAttribute("aria-label", name);

  const nameTheme = () => {
    const logo = document.querySelector(".sidebar-primary-items__start");
    if (logo) {
      logo.setAttribute("role", "region");
      label(logo, "Title and search");
    }
    // A role that is deprecated, and no child of the list that holds it.
    for (const entry of document.querySelectorAll("[role=doc-biblioentry]")) {
      entry.setAttribute("role", "listitem");
    }
    // All folds of cells have one name there, whatever the page shows on them.
    for (const summary of document.querySelectorAll("details.hide > summary[aria-label]")) {
      summary.removeAttribute("aria-label");
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
    // A position says what stands beside it, not its number.
    for (const handle of document.querySelectorAll(".noUi-handle")) {
      const book = handle.closest(".widget-vbox");
      const said = book?.querySelector(".widget-html p:not(.blindspots-caption)")?.textContent;
      if (said && handle.getAttribute("aria-valuetext") !== said) {
        handle.setAttribute("aria-valuetext", said);
      }
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    nameTheme();
    // Sliders come when the widgets are loaded; formulas change a page without any far more often.
    if (document.querySelector("script[type='application/vnd.jupyter.widget-view+json']")) {
      const changes = { childList: true, subtree: true, attributeFilter: ["aria-valuetext"] };
      new MutationObserver(nameSliders).observe(document.body, changes);
    }
  });
})();

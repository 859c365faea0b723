// Loaded between require.js and the widget manager: widgets and their fonts come from this site.
(() => {
  const vendor = new URL("../vendor/", document.currentScript.src).href;
  window.requirejs.config({
    paths: {
      "@jupyter-widgets": vendor + "html-manager",
      "@jupyter-widgets/html-manager/dist": vendor + "html-manager",
    },
  });
})();

// The widgets ask for the queue of MathJax 2, which MathJax 3 does not have; none holds a formula.
window.addEventListener("load", () => {
  if (window.MathJax) window.MathJax.Hub ??= { Queue() {} };
});

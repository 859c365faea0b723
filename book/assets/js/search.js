// What the search shows first, and an excerpt of prose beside it.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;

  // Of pages that fit equally well, chapters come first.
  Scorer.score = ([page, , , , score]) => score + (page.startsWith("chapters/") ? 10 : 0);

  const NO_PROSE = "nav, table, .cell, .toctree-wrapper, .admonition, .claim-note";
  const plain = (element) => {
    const copy = element.cloneNode(true);
    copy.querySelectorAll(".math").forEach((formula) => formula.replaceWith("…"));
    return copy.textContent.replace(/\s+/g, " ").trim();
  };

  // The paragraphs of a page, or of the place in it that a result leads to.
  const prose = (page, anchor) => {
    let place = anchor ? page.getElementById(anchor.slice(1)) : null;
    if (place?.matches("dt")) {
      while (!place.matches("dd")) place = place.nextElementSibling;
      return [plain(place)];
    }
    const root = place?.closest("section") ?? page.querySelector("article");
    return [...root.querySelectorAll("p, li")].filter((e) => !e.closest(NO_PROSE)).map(plain);
  };

  // The first paragraph with the very words that are looked for, or else with one of them.
  Search.makeSearchSummary = (html, stems, anchor) => {
    const paragraphs = prose(new DOMParser().parseFromString(html, "text/html"), anchor);
    const asked = new URLSearchParams(location.search).get("q").trim().toLowerCase();
    const place = (text, words) => text.toLowerCase().indexOf(words);
    for (const words of [asked, ...stems, ""]) {
      const text = paragraphs.find((paragraph) => place(paragraph, words) >= 0);
      if (!text) continue;
      const at = place(text, words);
      const begin = at > 120 ? text.indexOf(" ", at - 120) + 1 : 0;
      const end = begin + 240 < text.length ? text.lastIndexOf(" ", begin + 240) : text.length;
      const summary = document.createElement("p");
      summary.className = "context";
      summary.textContent =
        (begin ? "…" : "") + text.slice(begin, end) + (end < text.length ? "…" : "");
      return summary;
    }
    return document.createTextNode("");
  };
});

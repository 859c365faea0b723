// Arrow keys in a matrix go where they point. Its cells are radio buttons of one group, in which a
// browser takes "down" for "next", the cell to the right.
(() => {
  const goal = (event, row, column, last) => {
    switch (event.key) {
      case "ArrowUp": return [row - 1, column];
      case "ArrowDown": return [row + 1, column];
      case "ArrowLeft": return [row, column - 1];
      case "ArrowRight": return [row, column + 1];
      case "Home": return [event.ctrlKey ? 0 : row, 0];
      case "End": return [event.ctrlKey ? last : row, Infinity];
    }
  };

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches(".mb td input") || event.altKey || event.metaKey) return;
    const rows = [...event.target.closest("tbody").rows].map((r) => [...r.querySelectorAll("input")]);
    const row = rows.findIndex((inputs) => inputs.includes(event.target));
    const to = goal(event, row, rows[row].indexOf(event.target), rows.length - 1);
    if (!to) return;
    event.preventDefault(); // at an edge, too: no key jumps to the other side
    const cell = rows[to[0]]?.at(Math.max(0, Math.min(to[1], rows[row].length - 1)));
    if (!cell) return;
    cell.checked = true;
    cell.focus({ preventScroll: true });
    cell.closest("td").scrollIntoView({ block: "nearest", inline: "nearest" });
  });
})();

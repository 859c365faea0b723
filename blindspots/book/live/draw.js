/* A drawing as the data set would have it: strokes, as lists of points, become pixels in [0, 1].

   Strokes are kept as points and inked by the distance to their segments, so that every browser
   makes the same pixels and the pen is as wide however large one draws. */
function blindspotsInk(strokes, side) {
  "use strict";
  const points = strokes.flat();
  if (points.length === 0) return new Float64Array(side * side);
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const left = Math.min(...xs), top = Math.min(...ys);
  const width = Math.max(...xs) - left, height = Math.max(...ys) - top;

  /* How dark the middle of each pixel is, under a pen with a soft edge. */
  function ink(size, radius, place) {
    const pixels = new Float64Array(size * size);
    for (const stroke of strokes) {
      const moved = stroke.map(place);
      for (let k = 0; k < moved.length; k++) {
        const [ax, ay] = moved[Math.max(k - 1, 0)], [bx, by] = moved[k];
        const dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
        for (let row = 0; row < size; row++)
          for (let column = 0; column < size; column++) {
            const x = column + 0.5 - ax, y = row + 0.5 - ay;
            const along = square === 0 ? 0 : Math.min(Math.max((x * dx + y * dy) / square, 0), 1);
            const far = Math.hypot(x - along * dx, y - along * dy);
            const dark = Math.min(Math.max(radius + 0.5 - far, 0), 1);
            pixels[row * size + column] = Math.max(pixels[row * size + column], dark);
          }
      }
    }
    return pixels;
  }

  // MNIST's digits lie in a box of 20 of 28 pixels, with their centre of mass in the middle.
  if (side >= 16) {
    const scale = ((20 / 28) * side) / Math.max(width, height, 1e-9), radius = (1.25 / 28) * side;
    const about = (cx, cy) => ([x, y]) =>
      [(x - left - width / 2) * scale + cx, (y - top - height / 2) * scale + cy];
    const first = ink(side, radius, about(side / 2, side / 2));
    let mass = 0, across = 0, down = 0;
    first.forEach((v, i) => {
      mass += v;
      across += v * ((i % side) + 0.5);
      down += v * (Math.floor(i / side) + 0.5);
    });
    return ink(side, radius, about(side - across / mass, side - down / mass));
  }
  // Those of scikit-learn fill the height of a bitmap, of which four by four points are counted.
  const fine = 4 * side, radius = (3 / 32) * fine;
  const scale = (fine - 2 * radius) / Math.max(height, width / 2, 1e-9);
  const place = ([x, y]) =>
    [(x - left - width / 2) * scale + fine / 2, (y - top - height / 2) * scale + fine / 2];
  const bitmap = ink(fine, radius, place), pixels = new Float64Array(side * side);
  bitmap.forEach((v, i) => {
    const row = Math.floor(i / fine / 4), column = Math.floor((i % fine) / 4);
    pixels[row * side + column] += (v > 0.5 ? 1 : 0) / 16;
  });
  return pixels;
}

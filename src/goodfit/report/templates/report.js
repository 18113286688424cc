(() => {
  "use strict";
  const source = document.getElementById("figures");
  const { figures, dark } = source ? JSON.parse(source.textContent) : { figures: {}, dark: {} };
  const night = matchMedia("(prefers-color-scheme: dark)");
  const slots = [...document.querySelectorAll(".plot")];
  let printing = false;

  // Return a deep copy in the colours of the screen; plotly modifies its arguments.
  const paint = (value, key, swap) => {
    if (Array.isArray(value)) return value.map((item) => paint(item, key, swap));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, item]) => [k, paint(item, k, swap)]));
    }
    return swap && typeof value === "string" && /color$/i.test(key) ? (dark[value] ?? value) : value;
  };

  // Plain is drawn on the axes of the recipe next to it, so that both figures are comparable.
  const sharedAxes = (slot) => {
    const picked = document.querySelector("[data-picked=curves] .plot");
    if (slot.dataset.figure !== "curves-0" || !picked || picked === slot) return {};
    const { xaxis, yaxis, yaxis2 } = figures[picked.dataset.figure].layout;
    return { xaxis, yaxis, yaxis2 };
  };

  const draw = (slot) => {
    const spec = figures[slot.dataset.figure];
    const width = Math.floor(slot.getBoundingClientRect().width);
    if (!spec || !width) return;
    const { meta, ...wide } = spec.layout;
    const layout = { ...wide, ...(meta.narrow.find(([below]) => width < below) ?? [0, {}])[1], ...sharedAxes(slot), width };
    const swap = night.matches && !printing;
    slot.dataset.drawnWidth = width;
    slot.style.minHeight = `${layout.height}px`;
    Plotly.react(slot, paint(spec.data, "", swap), paint(layout, "", swap), { displayModeBar: false });
    slot.querySelectorAll("svg").forEach((svg) => svg.setAttribute("focusable", "false"));
  };
  const drawAll = () => slots.forEach(draw);

  const pick = (kind, index) => {
    const name = `${kind}-${index}`;
    const holder = document.querySelector(`[data-picked=${kind}]`);
    const select = document.querySelector(`select[data-kind=${kind}]`);
    const option = select && [...select.options].find((o) => o.value === index);
    if (!holder || !option || !figures[name]) return;
    select.value = index;
    const { alt, caption } = figures[name].layout.meta;
    const plot = holder.querySelector(".plot");
    plot.dataset.figure = name;
    plot.setAttribute("aria-label", alt);
    holder.querySelector("h3").textContent = option.dataset.label ?? option.textContent;
    holder.querySelector("figcaption").textContent = caption;
    document.querySelectorAll(`[data-of^=${kind}-]`).forEach((table) => { table.hidden = table.dataset.of !== name; });
    if (window.Plotly) (kind === "curves" ? slots : [plot]).forEach(draw);
  };

  const unpack = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  };

  const watch = () => {
    night.addEventListener("change", drawAll);
    const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => {
      if (!printing && Math.abs(target.getBoundingClientRect().width - target.dataset.drawnWidth) >= 1) draw(target);
    }));
    slots.forEach((slot) => sizes.observe(slot));
    const print = (on) => () => {
      printing = on;
      document.documentElement.classList.toggle("printing", on);
      drawAll();
    };
    addEventListener("beforeprint", print(true));
    addEventListener("afterprint", print(false));
  };

  const fail = (error) => {
    slots.forEach((slot) => {
      slot.style.minHeight = "0";
      slot.removeAttribute("role");
      slot.innerHTML = '<p class="plot-error">This figure needs a browser from 2023 or later. The tables contain the same numbers.</p>';
    });
    console.error(error);
  };

  document.querySelectorAll("select[data-kind]").forEach((select) => {
    select.addEventListener("change", () => ["curves", "weights"].forEach((kind) => pick(kind, select.value)));
    select.selectedIndex = 0; // browsers restore the previous selection on reload
  });
  document.querySelectorAll(".copy").forEach((button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.closest(".code").querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  });

  const done = () => { document.documentElement.dataset.figures = "ready"; };
  if (slots.length) unpack().then(drawAll).then(watch).then(done, fail);
  else done();
})();

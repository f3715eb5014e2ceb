// A list of which only the rows in sight exist: 100,000 of them cost what fifty do. Each row is `height` pixels high.
import { h } from "preact";
import htm from "htm";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const html = htm.bind(h);
const AROUND = 12; // rows above and below the sight, for a fast wheel

// Calls fn(width, height) of the element now and whenever it changes.
export function useSize(ref) {
  const [size, set] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    const measure = () => set((old) => {
      const { clientWidth: width, clientHeight: height } = element;
      return old.width === width && old.height === height ? old : { width, height };
    });
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    measure();
    return () => watcher.disconnect();
  }, []);
  return size;
}

// `row(index)` gives a row's element, `seen(first, last)` is told what is in sight. `active` is kept in sight when it
// changes. `anchor` (a count): so many rows have come above since the last time, and the rows in sight stay where they are.
// `head` stays at the top, `headHeight` pixels high.
export function Virtual({ count, height, row, seen, active, anchor = 0, head = null, headHeight = 0, ...rest }) {
  const ref = useRef(null), size = useSize(ref), [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / height) - AROUND);
  const last = Math.min(count - 1, Math.ceil((top + size.height) / height) + AROUND);

  useLayoutEffect(() => {
    if (anchor > 0 && ref.current.scrollTop > 0) ref.current.scrollTop += anchor * height;
  }, [anchor, count]);
  useLayoutEffect(() => {
    if (active == null || active < 0) return;
    const box = ref.current, from = active * height, end = from + height + headHeight;
    if (from < box.scrollTop) box.scrollTop = from;
    else if (end > box.scrollTop + box.clientHeight) box.scrollTop = end - box.clientHeight;
  }, [active, height]);
  useEffect(() => {
    if (size.height > 0) seen?.(Math.max(0, Math.floor(top / height)), Math.min(count - 1, last));
  }, [top, size.height, count, height]);

  const rows = [];
  for (let i = first; i <= last; i++) rows.push(row(i));
  return html`
    <div ref=${ref} onScroll=${(e) => setTop(e.currentTarget.scrollTop)} ...${rest}>
      ${head}
      <div class="space" role="rowgroup" style=${{ height: `${count * height}px` }}>
        <div role="presentation" style=${{ transform: `translateY(${first * height}px)` }}>${rows}</div>
      </div>
    </div>`;
}

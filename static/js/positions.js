// Figures of open positions at the current mark prices, by the formulas of wallets/domain/position.py and
// wallets/domain/risk_context.py. A position is [symbol, size, cost, leverage], as `position_terms` renders it.

const pnlOf = ([, size, cost], mark) => Number(size) * mark - Number(cost);
const valueOf = ([, size], mark) => Math.abs(Number(size)) * mark;
const marginOf = (position, mark) => valueOf(position, mark) / Number(position[3]);
const entryMarginOf = ([, , cost, leverage]) => Math.abs(Number(cost)) / Number(leverage);

const FIGURES = {
  unrealised: { term: pnlOf },
  value: { term: valueOf },
  total: { term: pnlOf, hasBase: true }, // equity, net PnL
  free: { term: (position, mark) => pnlOf(position, mark) - marginOf(position, mark), hasBase: true },
  roe: { term: pnlOf, share: entryMarginOf }, // per cent of the margin at entry
};

export const isFigure = (name) => name in FIGURES;

/**
 * The figure `name` of `positions`, as a number. `base` is the part that prices do not change; `whole` makes it a
 * percentage. `markOf(symbol)` is a price or null. Null when a price is missing or a percentage has no whole.
 */
export function figureOf(name, positions, { base = "0", whole = null }, markOf) {
  const { term, hasBase, share } = FIGURES[name];
  let sum = hasBase ? Number(base) : 0;
  let shares = whole === null ? 0 : Number(whole);
  for (const position of positions) {
    const mark = markOf(position[0]);
    if (mark === null) return null;
    sum += term(position, mark);
    if (share) shares += share(position);
  }
  if (!share && whole === null) return sum;
  return shares > 0 ? (sum * 100) / shares : null;
}

/** Asking again, by itself, for what was turned away for the moment. */

import { useEffect, useRef } from './kit.js';

/** Between two attempts at most, where the server asks for no more than that. */
const LONGEST_S = 60;
/** Nobody sits in front of a page for longer; then the reader decides. */
const PATIENCE_S = 600;
/** So much is added by chance at most, lest all who were turned away come back together. */
const SPREAD = 0.25;
const PASSING = [429, 503];

/**
 * How many ms to wait after `error` until it is worth another attempt, with `tries` of them made in
 * vain; undefined where the answer told no time. Never less than it told.
 */
export function pause({ status, after }, tries, chance = Math.random()) {
  if (!PASSING.includes(status) || !(after <= PATIENCE_S)) return undefined;
  const told = Math.max(1, after);
  return Math.max(told, Math.min(LONGEST_S, told * 2 ** tries)) * (1 + SPREAD * chance) * 1000;
}

/** Whether what failed so is asked for again by itself. */
export const comes = error => pause(error, 0) !== undefined;

/** Call `act` after so many ms; while nobody sees the page, as soon as somebody does. Returns how to call it off. */
function whenSeen(ms, act) {
  const seen = () => document.visibilityState === 'visible' && act();
  const due = () => {
    document.addEventListener('visibilitychange', seen);
    seen();
  };
  const timer = setTimeout(due, ms);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}

/**
 * Call `act` when it is worth another attempt after `error`, which is another object with each one
 * that failed and nothing after one that succeeded. Gives a ref that is true for as long as it waits.
 */
export function useAgain(error, act) {
  const latest = useRef();
  const tries = useRef(0);
  const waits = useRef(false);
  latest.current = act;
  useEffect(() => {
    const ms = error ? pause(error, tries.current) : undefined;
    tries.current = error ? tries.current + 1 : 0;
    if (ms === undefined) return undefined;
    waits.current = true;
    const stop = whenSeen(ms, () => {
      stop();
      waits.current = false;
      latest.current();
    });
    return () => {
      stop();
      waits.current = false;
    };
  }, [error]);
  return waits;
}

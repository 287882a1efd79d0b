// SPDX-License-Identifier: LGPL-2.1-or-later

const number = new Intl.NumberFormat("en");
const units = ["kB", "MB", "GB", "TB", "PB"];

export function formatCount(count) {
  return number.format(count);
}

export function formatSize(bytes) {
  if (bytes < 1000)
    return `${bytes} B`;

  let value = bytes;
  let unit = -1;

  do {
    value /= 1000;
    unit++;
  } while (value >= 999.95 && unit < units.length - 1);

  return `${value.toFixed(1)} ${units[unit]}`;
}

export function formatDuration(seconds) {
  if (seconds < 1)
    return "less than a second";
  if (seconds < 60)
    return `${Math.round(seconds)} s`;
  if (seconds < 3600)
    return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

  return `${Math.floor(seconds / 3600)} h ${Math.round(seconds % 3600 / 60)} min`;
}

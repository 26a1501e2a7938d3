// The moments worth a look: from one to the next with the keyboard.

import { now, seek } from "./clock.js";
import { moments } from "./marks.js";

// Go to the moment before or after now.
export function nextMoment(by) {
  const found = by > 0 ? moments().find((one) => one.begin > now() + 0.01) : moments().findLast((one) => one.begin < now() - 0.01);
  if (found) seek(found.begin);
}

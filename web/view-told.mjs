/** What the worker tells and what a part of the element takes as it is. */

import { VIEWING } from "./view-looking.mjs";
import { FILTER, PLAYER } from "./view-playing.mjs";

/** @import {FromWorker} from "./view-protocol.mjs" */

/**
 * @param {import("./view-looking.mjs").LookingElement} element
 * @param {FromWorker} message
 * @param {import("./view-stats.mjs").Stats} stats
 * @param {(event: string, detail: object) => void} tell
 */
export function pass(element, message, stats, tell) {
  switch (message.type) {
    case "clock":
      element[PLAYER].tick(message);
      break;
    case "moving":
      element[VIEWING].moved(message);
      break;
    case "frame":
      stats.add(message);
      break;
    case "pace":
      tell("frame", { cpuMs: message.cpuMs, intervalMs: message.intervalMs });
      break;
    case "filter":
      element[FILTER].tick(message);
      stats.filter(message, element[FILTER].stages);
      tell("filter", { name: message.name });
      if (message.message) tell("error", { code: "filter", message: message.message });
      break;
  }
}

// The record as it is stored: one key leads back.

import { on } from "./keys.js";

on("r", () => document.getElementById("back").click());
document.documentElement.dataset.ready = "";

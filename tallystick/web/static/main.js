// @ts-check
import { start as startCopy } from "./copy.js";
import { start as startKeys } from "./keys.js";
import { start as startLive } from "./live.js";

startKeys();
startCopy();
startLive();

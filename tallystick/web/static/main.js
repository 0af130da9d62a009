// @ts-check
import { start as startCopy } from "./copy.js";
import { start as startInbox } from "./inbox.js";
import { start as startKeys } from "./keys.js";
import { start as startLive } from "./live.js";

startInbox();
startKeys();
startCopy();
startLive();

// the registry's bar is wider than a phone: the page that is open stands in sight
document.querySelector(".under [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

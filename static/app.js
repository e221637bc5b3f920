// Only what HTML cannot do: copy, relative times, a link to an earlier log line, follow, the live log, pages that go on.
// Every page works without this file. Text becomes text nodes; HTML is parsed by the browser alone, of whole pages.
(function () {
  "use strict";
  var $ = function (sel, root) { return Array.prototype.slice.call((root || document).querySelectorAll(sel)); };
  var say = function (text) { var s = document.getElementById("said"); if (s) s.textContent = text; };

  // Controls that need a script are in the page with `hidden`; nothing dead is ever shown.
  function reveal_js() { $("[data-js]").forEach(function (el) { el.hidden = false; }); }
  reveal_js();

  // Copy. navigator.clipboard is missing on plain http, so fall back to select + execCommand, then to words.
  function copied(btn) {
    var label = btn.querySelector("span"), before = label.textContent;
    label.textContent = "Copied";
    btn.classList.add("is-done");
    say("Copied to the clipboard");
    setTimeout(function () { label.textContent = before; btn.classList.remove("is-done"); }, 4000);
  }
  function fallback(btn, field) {
    if (field.select) field.select();
    else getSelection().selectAllChildren(field);
    var ok = false;
    try { ok = document.execCommand("copy"); } catch (e) { ok = false; }
    if (ok) { copied(btn); btn.focus(); }
    else say("Selected. Press Ctrl+C or Cmd+C to copy.");
  }
  document.addEventListener("click", function (event) {
    var btn = event.target.closest && event.target.closest("[data-copy]");
    if (!btn) return;
    var field = document.getElementById(btn.dataset.copy);
    var text = field.value || field.innerText;
    if (!navigator.clipboard) return fallback(btn, field);
    navigator.clipboard.writeText(text).then(function () { copied(btn); }, function () { fallback(btn, field); });
  });

  // A panel that was opened closes by Esc, and by a click elsewhere.
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    $(".more[open]").forEach(function (el) {
      el.open = false;
      el.querySelector("summary").focus();
    });
  });
  document.addEventListener("click", function (event) {
    $(".more[open]").forEach(function (el) { if (!el.contains(event.target)) el.open = false; });
  });

  // Relative times, beside the absolute ones and never in their place.
  function ago(ms) {
    var units = [[86400, "day"], [3600, "h"], [60, "min"]];
    for (var i = 0; i < units.length; i++) {
      var n = Math.floor(ms / 1000 / units[i][0]);
      if (n >= 1) return n + " " + units[i][1] + (units[i][1] === "day" && n > 1 ? "s" : "") + " ago";
    }
    return "just now";
  }
  function tellAgo() {
    // UTC is shown; the reader's own time is its title.
    $("time[datetime]").forEach(function (el) {
      if (!el.title) el.title = new Date(el.dateTime).toLocaleString();
    });
    $("time[data-ago]").forEach(function (el) {
      if (!el.dataset.text) el.dataset.text = el.textContent;
      var ms = Date.now() - Date.parse(el.dateTime);
      // A clock far behind the server's would tell nonsense.
      el.textContent = ms > -60000 ? el.dataset.text + ", " + ago(Math.max(ms, 0)) : el.dataset.text;
    });
  }
  // In lists the distance stands first and the server has told it already.
  function countOn() {
    $("time[data-count]").forEach(function (el) {
      var ms = Date.now() - Date.parse(el.dateTime);
      if (ms > -60000) el.firstChild.nodeValue = ago(Math.max(ms, 0));
    });
  }
  tellAgo();
  setInterval(function () { tellAgo(); countOn(); }, 30000);

  // How long the running step has run. Counted from what the server said, since the two clocks may differ.
  function two(n) { return (n < 10 ? "0" : "") + n; }
  function duration(ms) {
    var s = Math.floor(ms / 1000);
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min " + two(s % 60) + " s";
    return Math.floor(s / 3600) + " h " + two(Math.floor(s / 60) % 60) + " min";
  }
  var loaded = performance.now();
  function tick() {
    $("[data-running]").forEach(function (el) {
      var from = Number(el.dataset.since || loaded);
      var ms = Number(el.dataset.running) + performance.now() - from;
      el.textContent = duration(ms);
      var burn = el.parentElement.querySelector(".burn");
      if (burn) burn.value = Math.min(100, ms * 100 / Number(burn.dataset.usual));
    });
    $("[data-left]").forEach(function (el) {
      var ms = Number(el.dataset.left) - (performance.now() - Number(el.dataset.since || loaded));
      var s = Math.round(ms / 1000); // as roughly as the server tells it
      el.textContent = s < 1 ? "a moment" : duration((s > 10 ? Math.ceil(s / 5) * 5 : s) * 1000);
    });
  }
  setInterval(tick, 1000);

  // A link to a line that is not among the last 2,000: show them all.
  function reach() {
    if (!/^#L\d+(-L\d+)?$/.test(location.hash) || !document.querySelector(".log") || /[?&]all=1/.test(location.search)
        || document.getElementById(location.hash.slice(1).split("-")[0])) return;
    location.search = (location.search ? location.search + "&" : "?") + "all=1"; // keeps the hash
  }
  addEventListener("hashchange", reach);
  reach();

  // A link to a line or step inside a closed part opens that part.
  function reveal() {
    pick();
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)).replace(/^(L\d+)-L\d+$/, "$1"));
    if (!target) return;
    for (var el = target; el; el = el.parentElement) if (el.tagName === "DETAILS") el.open = true;
    target.scrollIntoView({ block: "center" });
  }
  // #L12-L20 marks lines 12 to 20; Shift and a click on a number mark from the line before to that one.
  function pick() {
    $(".l.is-picked").forEach(function (el) { el.classList.remove("is-picked"); });
    var range = /^#L(\d+)-L(\d+)$/.exec(location.hash);
    if (!range) return;
    var from = Math.min(range[1], range[2]), to = Math.min(Math.max(range[1], range[2]), from + 10000);
    for (var n = from; n <= to; n++) {
      var line = document.getElementById("L" + n);
      if (line) line.classList.add("is-picked");
    }
  }
  document.addEventListener("click", function (event) {
    var link = event.shiftKey && event.target.closest && event.target.closest(".l > a"), from = /^#L(\d+)/.exec(location.hash);
    if (!link || !from) return;
    event.preventDefault();
    location.hash = "#L" + from[1] + "-" + link.hash.slice(1);
  });
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // Follow: on while the reader is at the end; scrolling up, by any means, lets go; the button takes hold again.
  var follow = document.getElementById("follow"), box = document.querySelector(".lines.is-live"), following = true;
  var atEnd = function () { return box.scrollHeight - box.scrollTop - box.clientHeight < 8; };
  function show() {
    following = !box || atEnd();
    if (follow) follow.setAttribute("aria-pressed", String(following));
  }
  function toEnd() { if (box) box.scrollTop = box.scrollHeight; show(); }
  function watch(lines) {
    if (box && box !== lines) {
      box.classList.remove("is-live");
      box.setAttribute("role", "group");
    }
    box = lines;
    if (follow) follow.hidden = false; // before there is a log to follow it would be dead
    box.classList.add("is-live");
    box.setAttribute("role", "log");
    box.setAttribute("aria-live", "off");
    box.addEventListener("scroll", show, { passive: true });
  }
  if (follow) follow.addEventListener("click", toEnd);
  if (box) { watch(box); toEnd(); }

  // Loads the page anew, but not in the way of somebody who is on the way to another.
  var left = -Infinity;
  addEventListener("beforeunload", function () { left = performance.now(); });
  function reload() {
    if (performance.now() - left < 3000) setTimeout(reload, 3000);
    else location.reload();
  }
  // A final status: the server renders the end. From the fourth time on it waits, so that a page never spins.
  function reloadAtEnd(id) {
    var key = "ended:" + id, times = 3;
    try { times = Number(sessionStorage.getItem(key)) || 0; sessionStorage.setItem(key, String(times + 1)); } catch (e) { times = 3; }
    setTimeout(reload, times < 3 ? 0 : 10000);
  }

  // The live log. Lines arrive as [number, [[classes, text], …], kind].
  var log = document.querySelector(".log[data-events]");

  function live(log) {
    var waiting = [], timer = null, last = log.dataset.from, delay = 1000;
    var icons = (log.querySelector("use") || document.querySelector("use")).getAttribute("href").split("#")[0];
    var highest = 0;
    var chunks = {}; // the block that each step's next line goes into

    function element(name, className, parent) {
      var el = document.createElement(name);
      if (className) el.className = className;
      if (parent) parent.appendChild(el);
      return el;
    }
    function anchor(number, parent) {
      var a = element("a", "", parent);
      a.href = "#L" + number;
      a.tabIndex = -1;
      a.textContent = number;
    }
    function segments(parts, parent) {
      parts.forEach(function (part) {
        var to = part[0] ? element("span", part[0], parent) : parent;
        // As the server does it: an address is a link, all else is text.
        part[1].split(/(https?:\/\/[^\s"'<>`|\\^{}]*[^\s"'<>`|\\^{}.,;:!?)\]])/).forEach(function (text, at) {
          if (at % 2 === 0) { if (text) to.appendChild(document.createTextNode(text)); return; }
          var link = element("a", "", to);
          link.href = text;
          link.rel = "noreferrer nofollow";
          link.textContent = text;
        });
      });
      if (!parts.length) parent.appendChild(document.createTextNode(" "));
    }
    function place(step) {
      var part = document.getElementById("step-" + step);
      if (!part) return null;
      var lines = part.querySelector(".lines");
      if (!lines) {
        lines = element("div", "lines", part);
        lines.tabIndex = 0;
        lines.setAttribute("aria-label", "Log of " + step);
      }
      if (part.hidden || !lines.classList.contains("is-live")) {
        // The step before is done: what it wrote folds away, as it would on a fresh page.
        var before = box && box.closest("details");
        if (before && before !== part && following) before.open = false;
        part.hidden = false;
        part.open = true;
        watch(lines);
      }
      return lines;
    }
    function openGroup(lines) { return lines.querySelector(".grp[data-open]"); }
    function closeGroup(lines, step) {
      var group = openGroup(lines);
      if (group) { group.removeAttribute("data-open"); group.open = false; chunks[step] = null; }
    }
    function block(lines, step) {
      var into = openGroup(lines) || lines, chunk = chunks[step];
      if (!chunk || chunk.parentElement !== into || chunk.children.length >= 200) {
        // Only a full block may skip layout: the stylesheet reserves the height of 200 lines for it.
        if (chunk && chunk.children.length >= 200) chunk.className = "chunk";
        chunk = chunks[step] = element("div", "", into);
      }
      return chunk;
    }
    function append(step, line) {
      var number = line[0], parts = line[1], kind = line[2];
      highest = Math.max(highest, number);
      var there = document.getElementById("L" + number);
      if (there && !there.hasAttribute("data-open-line")) return;
      if (there) there.remove(); // what it was before it ended
      var lines = place(step);
      if (!lines) return;
      if (kind === "group") {
        closeGroup(lines, step);
        var group = element("details", "grp", lines);
        group.setAttribute("data-open", "");
        group.open = true;
        var summary = element("summary", "", group);
        summary.id = "L" + number;
        summary.textContent = parts.map(function (part) { return part[1]; }).join("");
        chunks[step] = null;
      } else if (kind === "endgroup") {
        closeGroup(lines, step);
      } else {
        var row = element("div", kind === "error" ? "l l-err" : "l", block(lines, step));
        row.id = "L" + number;
        anchor(number, row);
        if (log.hasAttribute("data-times")) element("time", "", row).textContent = new Date().toISOString().slice(11, 19);
        segments(parts, element("span", "", row));
      }
    }
    function flush() {
      timer = null;
      var held = following;
      waiting.splice(0).forEach(function (batch) {
        batch.lines.forEach(function (line) { append(batch.step, line); });
      });
      var size = log.querySelector(".log-bar .small");
      if (size && highest) size.textContent = highest.toLocaleString("en") + (highest === 1 ? " line" : " lines") + " so far";
      if (held) toEnd(); else show();
    }
    function shape(el, name) {
      var use = el && el.querySelector("use");
      if (use) use.setAttribute("href", icons + "#" + name);
    }
    // The log's own part of a step; what stands above the log follows as every page does.
    function setStep(data) {
      var part = document.getElementById("step-" + data.step), st = part && part.querySelector("summary .st");
      if (!st) return;
      var now = data.step === "deploy" ? "st-deploying" : "st-building";
      var look = { running: now, succeeded: "st-succeeded", failed: "st-failed", skipped: "st-none" }[data.status];
      if (!look || st.classList.contains(look)) return; // told already, or as it was when the page was made
      st.className = "st " + look;
      shape(st, look);
      part.querySelector("summary .sr").textContent = ", " + data.status;
      part.querySelector("summary .end").textContent = data.took || "";
      say(st.textContent.trim() + " " + data.status);
      lookNow();
    }
    function setStatus(data) {
      var was = log.dataset.status, now = data.status;
      if (now === "succeeded" || now === "failed") {
        say("Deployment " + now);
        source.close();
        if (timer) { clearTimeout(timer); flush(); }
        return reloadAtEnd(log.dataset.deployment);
      }
      lookNow();
      if (was === now) return;
      // Nothing of the log is read yet, so the server may as well say it all.
      if (was === "queued") return reload();
      log.dataset.status = now;
      var foot = log.querySelector(".log-end span");
      if (foot && now === "deploying") foot.textContent = "It ends when the new version serves.";
      say(now);
    }
    var source;
    function connect() {
      source = new EventSource(log.dataset.events + "?from=" + encodeURIComponent(last));
      var on = function (name, take) {
        source.addEventListener(name, function (event) {
          if (event.lastEventId) last = event.lastEventId;
          delay = 1000;
          take(JSON.parse(event.data));
        });
      };
      on("log", function (data) {
        waiting.push(data);
        if (!timer) timer = setTimeout(flush, 100); // at most 10 batches a second
      });
      on("line", function (data) { // not ended: shown as it stands, until it comes again
        if (timer) { clearTimeout(timer); flush(); }
        var number = data.lines[0][0], there = document.getElementById("L" + number);
        if (there && !there.hasAttribute("data-open-line")) return;
        append(data.step, data.lines[0]);
        there = document.getElementById("L" + number);
        if (there) there.setAttribute("data-open-line", "");
        if (following) toEnd(); else show();
      });
      on("step", setStep);
      on("status", setStatus);
      // The browser comes back by itself after a cut; after an error answer it gives up, so ask again, more and more slowly.
      source.onerror = function () {
        if (this !== source || source.readyState !== EventSource.CLOSED) return;
        setTimeout(function () { if (source && source.readyState === EventSource.CLOSED) hold(); }, delay);
        delay = Math.min(delay * 2, 30000);
      };
    }
    // A browser has six connections to one server: only a tab that is seen holds one.
    function hold() {
      if (source) source.close();
      source = null;
      if (document.visibilityState === "visible") connect();
    }
    hold();
    document.addEventListener("visibilitychange", hold);
    addEventListener("pagehide", function () { if (source) source.close(); });
    addEventListener("pageshow", function (event) { if (event.persisted) hold(); });
  }

  // A page goes on by itself while it is seen: asked again every two seconds, answered at once where nothing has changed.
  // What somebody is at work with is never replaced. A page may name the parts of it that go on; the log is none.
  var main = document.querySelector("main[data-follow]");
  var lookNow = main ? keepUp() : function () {};

  function parts(root) {
    var named = $("[data-part]", root);
    return named.length ? named : [root];
  }
  function isInUse() {
    var at = document.activeElement, selection = getSelection();
    var within = function (node) { return parts(main).some(function (part) { return part.contains(node); }); };
    return (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && within(at)) || $(".more[open]", main).length > 0
      || (!selection.isCollapsed && within(selection.anchorNode))
      || $("input, textarea", main).some(function (field) {
        var isBox = /^(checkbox|radio)$/.test(field.type);
        return within(field) && (isBox ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
      })
      || $("option", main).some(function (option, at) { return option.selected && !option.defaultSelected && option.index > 0; });
  }
  function keepUp() {
    var tag = "", shown = {}, pause = 2000, timer = null, asks = false;
    // A running deployment tells its end in the tab's title and icon, so it goes on, more slowly, where it is not seen.
    function later() {
      clearTimeout(timer);
      var seen = document.visibilityState === "visible";
      timer = setTimeout(seen || main.dataset.follow === "live" ? ask : later, seen ? pause : 10000);
    }
    function ask() {
      if (asks) return;
      if (isInUse()) return later();
      var request = new XMLHttpRequest();
      request.open("GET", location.href.split("#")[0]);
      request.responseType = "document";
      request.timeout = 10000;
      request.setRequestHeader("x-follows", "1");
      if (tag) request.setRequestHeader("If-None-Match", tag);
      request.onloadend = function () {
        asks = false;
        if (request.status === 401) return; // signed out elsewhere: the page stays as it was
        pause = request.status === 200 || request.status === 304 ? 2000 : Math.min(pause * 2, 30000);
        if (request.status === 200 && request.responseXML && !isInUse()) {
          tag = request.getResponseHeader("ETag") || "";
          take(request.responseXML);
        }
        later();
      };
      asks = true;
      request.send();
    }
    function take(page) {
      var from = page.querySelector("main[data-follow]");
      if (!from) return;
      var news = parts(from), olds = parts(main), whole = news[0] === from;
      if (whole !== (olds[0] === main)) return;
      news.forEach(function (now) {
        var name = now.dataset.part || "", old = olds.filter(function (el) { return (el.dataset.part || "") === name; })[0];
        if (!old || now.innerHTML === shown[name]) return;
        shown[name] = now.innerHTML;
        now = document.importNode(now, true);
        replace(old, now);
        if (whole) main = now;
      });
      if (!whole) main.dataset.follow = from.dataset.follow;
      document.title = page.title;
      var icon = document.querySelector("link[rel=icon]"), wanted = page.querySelector("link[rel=icon]");
      if (icon.getAttribute("href") !== wanted.getAttribute("href")) icon.setAttribute("href", wanted.getAttribute("href"));
      reveal_js();
      tellAgo();
    }
    // What was opened stays open, and the focus stays where it was.
    function replace(old, now) {
      $("details", now).forEach(function (el, index) {
        var was = $("details", old)[index];
        if (was) el.open = was.open;
      });
      $("[data-running], [data-left]", now).forEach(function (el) { el.dataset.since = String(performance.now()); });
      var reachable = "a, button, summary", at = $(reachable, old).indexOf(document.activeElement);
      old.replaceWith(now);
      if (at >= 0 && $(reachable, now)[at]) $(reachable, now)[at].focus({ preventScroll: true });
    }
    document.addEventListener("visibilitychange", function () { if (document.visibilityState === "visible") later(); });
    later();
    return function () { clearTimeout(timer); ask(); };
  }

  if (log && window.EventSource) live(log);
})();

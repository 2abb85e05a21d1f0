// Looks at reports in a real browser, as they are seen on a desk, on a phone and on paper.
// Usage: node look/look.mjs FOLDER REPORT.html...; pictures are left in the folder. The exit
// status is 1 where a page says anything on the console, asks for anything, does not fit its
// window, or where axe-core finds anything; and 2 where there is no browser.

import { accessSync, constants, mkdirSync } from "node:fs";
import { basename, delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const VIEWS = [
  { name: "light", width: 1280, height: 900, colorScheme: "light" },
  { name: "dark", width: 1280, height: 900, colorScheme: "dark" },
  { name: "phone-light", width: 390, height: 844, colorScheme: "light" },
  { name: "phone-dark", width: 390, height: 844, colorScheme: "dark" },
  { name: "print", width: 718, height: 900, colorScheme: "dark", media: "print" },
];

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(executable);
}

async function look(browser, file, view, folder) {
  const { name, width, height, colorScheme, media } = view;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  const problems = [];
  const url = pathToFileURL(resolve(file)).href;
  page.on("console", (message) => problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (request.url() !== url && request.url() !== "data:,") problems.push(`asks for ${request.url()}`);
  });
  await page.emulateMedia({ media: media ?? "screen", colorScheme });
  await page.goto(url);
  await page.screenshot({ path: join(folder, `${basename(file, ".html")}-${name}.png`), fullPage: true });
  problems.push(...(await page.evaluate(misfits)));
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  problems.push(...(await page.evaluate(misfits)));
  if (!media) problems.push(...(await violations(page)));
  await context.close();
  return [...new Set(problems)];
}

function misfits() {
  const { scrollWidth, clientWidth } = document.documentElement;
  return scrollWidth > clientWidth ? [`is ${scrollWidth} wide in a window of ${clientWidth}`] : [];
}

async function violations(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `axe: ${id}: ${help}: ${node.target.join(" ")}`),
  );
}

async function main([folder, ...files]) {
  const browserPath = findBrowser();
  if (!browserPath || !executable(browserPath)) {
    const where = process.env.CHROMIUM ? `no program at CHROMIUM=${browserPath}` : "no Chromium on PATH";
    console.error(`${where}: install one (Debian: apt-get install chromium), or say where with CHROMIUM=`);
    return 2;
  }
  mkdirSync(folder, { recursive: true });
  // Containers run as root, where Chromium's sandbox cannot; the pages are our own.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath: browserPath, args });
  let broken = 0;
  for (const file of files) {
    for (const view of VIEWS) {
      const problems = await look(browser, file, view, folder);
      console.log(`${basename(file)}, ${view.name}: ${problems.length ? "" : "nothing found"}`);
      problems.forEach((problem) => console.log(`  ${problem}`));
      broken += problems.length;
    }
  }
  await browser.close();
  console.log(`looked with axe-core ${axe.version} and Chromium ${browser.version()}; pictures are in ${folder}`);
  return broken ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));

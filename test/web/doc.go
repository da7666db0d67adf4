// Package web tries the page of a VTEP in a browser: a headless Chromium, driven by chromedp, at the widths of
// a desk and of a hand, with and without JavaScript, by keyboard, and with 4,000 logical switches.
package web

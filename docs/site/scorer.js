/* Copyright (c) 2026 The qingguo.qgnet authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

// What the search shows first, of pages that match alike: what a user does, then what he looks up, then the project.
const PREFERENCE = {
  quickstart: 2, egress_whitelist: 2, proxies: 2, limits_and_retries: 2,
  troubleshooting: 1, use_proxies: 1, keep_proxies_fresh: 1,
  api_coverage: -2, contents: -2, benchmarks: -3, architecture: -3, first_contribution: -3, contributing: -3,
};

var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([page, _title, _anchor, _text, score]) => score + (PREFERENCE[page.split("/").pop()] ?? 0),
};

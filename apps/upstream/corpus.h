/* corpus: the made-up pages that searches find. A page is made from its subject alone, so queries that share words
 * find the same pages, with the same URL and text. One page in eight gives orders to who reads it. */
#ifndef UPSTREAM_CORPUS_H
#define UPSTREAM_CORPUS_H

#include <stdint.h>

#include <stepwell.h>

typedef struct corpus_page {
    const char *url; /* below example.com, example.net or example.org */
    const char *host;
    const char *title;
    const char *author;
    const char *published; /* ISO 8601 */
    const char *subject;
    uint64_t seed;
} corpus_page;

/* The page at place `rank` for the query. Pages of one query are all different. */
corpus_page corpus_find(sw_ctx *c, uint64_t world, const char *query, size_t rank);

/* Its text, cut to `max` characters' worth of bytes. */
const char *corpus_text(sw_ctx *c, const corpus_page *page, size_t max);

#endif

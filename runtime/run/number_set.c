#include "runtime/run/number_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 64, WORD_BITS = 64, PAGE_BITS = WORDS * WORD_BITS, PAGES_FIRST = 4 };

struct number_page {
    uint32_t index; /* of its first number, in PAGE_BITS */
    uint64_t words[WORDS];
};

void number_set_free(number_set *s)
{
    for (size_t i = 0; i < s->page_count; i++) free(s->pages[i]);
    free(s->pages);
    *s = (number_set){.pages = NULL};
}

/* Where the page with that index is, or would be. */
static size_t page_place(const number_set *s, uint32_t index)
{
    size_t from = 0, to = s->page_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (s->pages[middle]->index < index)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* NULL: there is none. */
static number_page *page_of(const number_set *s, uint32_t number)
{
    size_t at = page_place(s, number / PAGE_BITS);
    return at < s->page_count && s->pages[at]->index == number / PAGE_BITS ? s->pages[at] : NULL;
}

static uint64_t *word_of(number_page *p, uint32_t number) { return &p->words[number % PAGE_BITS / WORD_BITS]; }

static uint64_t bit_of(uint32_t number) { return UINT64_C(1) << (number % WORD_BITS); }

static bool pages_make_room(number_set *s)
{
    if (s->page_count < s->page_room) return true;
    size_t room = s->page_room ? s->page_room * 2 : PAGES_FIRST;
    number_page **bigger = realloc(s->pages, room * sizeof(number_page *));
    if (!bigger) return false;
    s->pages = bigger;
    s->page_room = room;
    return true;
}

bool number_set_reserve(number_set *s, uint32_t number)
{
    if (page_of(s, number)) return true;
    number_page *p = pages_make_room(s) ? calloc(1, sizeof *p) : NULL;
    if (!p) return false;
    p->index = number / PAGE_BITS;
    size_t at = page_place(s, p->index);
    memmove(&s->pages[at + 1], &s->pages[at], (s->page_count - at) * sizeof(number_page *));
    s->pages[at] = p;
    s->page_count++;
    return true;
}

void number_set_add(number_set *s, uint32_t number)
{
    number_page *p = page_of(s, number);
    assert(p);
    uint64_t *word = word_of(p, number);
    s->count += !(*word & bit_of(number));
    *word |= bit_of(number);
}

void number_set_remove(number_set *s, uint32_t number)
{
    if (!number_set_has(s, number)) return;
    assert(s->count > 0);
    *word_of(page_of(s, number), number) &= ~bit_of(number);
    s->count--;
}

bool number_set_has(const number_set *s, uint32_t number)
{
    number_page *p = page_of(s, number);
    return p && (*word_of(p, number) & bit_of(number));
}

/* The page's first number from `from` on, counted in the page. False: there is none. */
static bool page_next(const number_page *p, uint32_t *from)
{
    for (uint32_t at = *from; at < PAGE_BITS; at = (at / WORD_BITS + 1) * WORD_BITS) {
        uint64_t left = p->words[at / WORD_BITS] >> (at % WORD_BITS);
        if (left == 0) continue;
        *from = at + (uint32_t)__builtin_ctzll(left);
        return true;
    }
    return false;
}

bool number_set_next(const number_set *s, uint32_t *number)
{
    const uint32_t index = *number / PAGE_BITS;
    for (size_t at = page_place(s, index); at < s->page_count; at++) {
        const number_page *p = s->pages[at];
        uint32_t in_page = p->index == index ? *number % PAGE_BITS : 0;
        if (!page_next(p, &in_page)) continue;
        *number = p->index * PAGE_BITS + in_page;
        return true;
    }
    return false;
}

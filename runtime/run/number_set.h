/* number_set: a set of numbers of a run's entries, of which many lie close together: a bit each, in pages of 4,096.
 * Owns its pages. A number that has been in the set can always be put back: its page stays. */
#ifndef RUNTIME_RUN_NUMBER_SET_H
#define RUNTIME_RUN_NUMBER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct number_page number_page;

typedef struct number_set {
    number_page **pages; /* ascending */
    size_t page_count, page_room;
    size_t count; /* numbers in the set */
} number_set;

void number_set_free(number_set *s);
/* Makes room for the number. False: no memory. */
bool number_set_reserve(number_set *s, uint32_t number);
/* Puts the number in, for which there is room; it may be there. */
void number_set_add(number_set *s, uint32_t number);
void number_set_remove(number_set *s, uint32_t number);
bool number_set_has(const number_set *s, uint32_t number);
/* The first number from *number on. False: there is none. */
bool number_set_next(const number_set *s, uint32_t *number);

#endif

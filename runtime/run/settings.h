/* settings: what operators have set while the program serves: a name and a value each, which win over the code until
 * they are deleted. Each is a row of the table `settings` (docs/internals/journal.md). Owns a copy of all of them,
 * which all loops share, and keeps what endpoints look at (endpoint.stopped_s) as the settings say. From any thread,
 * unless a function says otherwise.
 *
 * The names: "endpoint:" and a route, "endpoint:POST /orders", with the value {"stopped": bool, "retryAfter": s}. */
#ifndef RUNTIME_RUN_SETTINGS_H
#define RUNTIME_RUN_SETTINGS_H

#include "runtime/run/home.h"
#include "runtime/stepwell.h"
#include "storage/store.h"

enum {
    SETTING_NAME_MAX = 500, /* bytes: a row's key has no room for more */
    SETTING_VALUE_MAX = 1024,
    SETTING_BY_MAX = 32,
    SETTING_RETRY_MAX_S = 86400
};
_Static_assert((int)SETTING_NAME_MAX <= (int)STORE_ROW_KEY_MAX, "a name is the key of its row");

typedef struct setting {
    struct setting *next; /* in the order of their names */
    char *name;
    char *value; /* msgpack */
    size_t value_len;
    char by[SETTING_BY_MAX + 1]; /* the operator */
    int64_t at_ms;               /* Unix */
} setting;

typedef struct settings settings;

extern const char settings_table[];

/* `app` has all its endpoints. NULL: no memory. */
settings *settings_new(struct sw_app *app);
void settings_free(settings *s); /* NULL is fine */

/* Takes a row of the table, in the order of the keys. A row that cannot be read is logged and left where it is. False:
 * no memory, and the row was not taken. */
bool settings_take_row(settings *s, const store_table_row *row);
/* All rows have been taken: what is set is known from now on. Logs what the settings change. */
void settings_complete(settings *s);
/* False: the table cannot be read yet, so nobody knows what operators have stopped, and nothing can be set. NULL, which
 * is a program that has none, is known. */
bool settings_are_known(const settings *s);
extern const char settings_unknown[]; /* for clients, why they are refused until then */

/* Returns what is wrong with setting `name` to `value` (NULL: with deleting it), with the status of the reply; NULL:
 * nothing. The text is static. */
const char *settings_object(settings *s, const char *name, const sw_value *value, int *status);

/* Calls on_setting for each setting, in the order of the names, under the lock. `is_of_nothing`: the program has not,
 * or does not know, what the setting is of. */
void settings_each(settings *s, void (*on_setting)(void *arg, const setting *one, bool is_of_nothing), void *arg);

/* What becomes of a change. */
typedef enum setting_result {
    SETTING_DONE,    /* it is on disk, and all loops obey it */
    SETTING_REFUSED, /* it is not on disk, nor will be */
    SETTING_UNKNOWN  /* the process ends before anybody knows */
} setting_result;

/* `now`: what is set; NULL: the setting was deleted. `error`: why it was refused, else NULL. Both for the call. */
typedef void setting_done_fn(void *arg, setting_result result, const setting *now, const char *error);

typedef struct setting_wish {
    const char *name;
    const sw_value *value; /* NULL: the setting is to be deleted */
    const char *by;
} setting_wish;

/* Writes a change to which nothing objects (settings_object), and has it obeyed when it is on disk; then calls on_done,
 * on the home's thread. One change of the process at a time. NULL: it is under way; else why not, static, and on_done
 * is not called. */
const char *settings_change(home *h, const setting_wish *wish, setting_done_fn *on_done, void *arg);

/* The segment of a change (tag SETTINGS_TAG) has come back from the store. */
enum { SETTINGS_TAG = 2 };
void settings_committed(store_segment *s);

#endif

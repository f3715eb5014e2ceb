/* operators: who may use the admin API: each has a name, scopes and a token, of which only the SHA-256 is kept. Owns
 * the list, made of --token and --admin-token before the loops start; read-only afterwards. Never logs a token. */
#ifndef RUNTIME_CLIENTS_OPERATORS_H
#define RUNTIME_CLIENTS_OPERATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPERATOR_NAME_MAX = 32, OPERATOR_HASH_BYTES = 32 };

/* What an operator may do; one bit each. */
typedef enum operator_scope {
    OPERATOR_VIEW = 1,  /* read runs and metrics */
    OPERATOR_ACT = 2,   /* cancel and release runs */
    OPERATOR_START = 4, /* start runs */
    OPERATOR_ADMIN = 8  /* everything, backups too */
} operator_scope;

typedef struct operator_entry {
    char name[OPERATOR_NAME_MAX + 1];
    unsigned scopes; /* of operator_scope */
    uint8_t hash[OPERATOR_HASH_BYTES];
} operator_entry;

typedef struct operators operators;

/* What becomes of a --token that is wrong, or whose file is. */
typedef enum operators_mode {
    OPERATORS_ALL, /* there is no list then: who starts the program sees why */
    OPERATORS_GOOD /* it is logged and left out: clients do not wait for an operator's file */
} operators_mode;

/* Makes the list of `tokens`, each NAME:SCOPES:FILE (NULL-terminated; NULL: none), and of `admin_token`, who is "admin"
 * (NULL or "": none). Reads the files. NULL: out of memory, or `error` names what is wrong with which of them. */
operators *operators_new(const char *const *tokens, const char *admin_token, operators_mode mode, char *error,
                         size_t error_size);
void operators_free(operators *o); /* NULL is fine */

size_t operators_count(const operators *o);
/* Logs what is better done otherwise: a file that others may read, --admin-token. */
void operators_warn(const operators *o);
/* Returns whose token this is; NULL: nobody's. How long that takes does not tell how much of a wrong token is right. */
const operator_entry *operators_find(const operators *o, const char *token);

bool operator_may(const operator_entry *who, operator_scope needed);
/* Returns "view", "act", "start" or "admin". */
const char *operator_scope_name(operator_scope scope);

#endif

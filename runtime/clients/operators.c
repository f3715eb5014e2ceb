#include "runtime/clients/operators.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/want.h"
#include "runtime/run/run_token.h"

enum { OPERATORS_MAX = 64, TOKEN_BYTES_MIN = 16, TOKEN_BYTES_MAX = 4096, SPEC_BYTES_SHOWN = 200 };
_Static_assert(OPERATOR_NAME_MAX == 32 && OPERATORS_MAX == 64, "messages below say both numbers");
_Static_assert(TOKEN_BYTES_MIN == 16 && TOKEN_BYTES_MAX == 4096, "messages below say both numbers");

/* RFC 6750, 2.1. */
static const char TOKEN_CHARACTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";

static const struct {
    const char *name;
    operator_scope scope;
} scopes_known[] = {
    {"view", OPERATOR_VIEW}, {"act", OPERATOR_ACT}, {"start", OPERATOR_START}, {"admin", OPERATOR_ADMIN}};
enum { SCOPES_KNOWN = sizeof scopes_known / sizeof *scopes_known };

struct operators {
    size_t count;
    operator_entry entries[OPERATORS_MAX];
    const char *loose[OPERATORS_MAX]; /* the file's path, borrowed of the flag, if others may read it */
    bool has_admin_token;
};

/* Where a message about one --token goes. */
typedef struct complaint {
    const char *spec;
    char *text;
    size_t size;
} complaint;

static bool complain(const complaint *to, const char *what)
{
    (void)snprintf(to->text, to->size, "--token %.*s: %s", SPEC_BYTES_SHOWN, to->spec, what);
    return false;
}

static void token_hash(const char *token, size_t len, uint8_t hash[OPERATOR_HASH_BYTES])
{
    unsigned out = 0;
    if (EVP_Digest(token, len, hash, &out, EVP_sha256(), NULL) != 1 || out != OPERATOR_HASH_BYTES)
        want_end("the hash of an operator's token");
}

/* ---- NAME:SCOPES:FILE ---- */

/* What the log and journals call those who are no operators of a --token. */
static const char *const names_taken[] = {"client", "dev"};

static bool spec_read_name(operator_entry *e, const char *name, size_t len, const complaint *to)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@";
    if (len == 0 || len > OPERATOR_NAME_MAX || strspn(name, allowed) < len)
        return complain(to, "a name is 1 to 32 letters, digits, '-', '_', '.' and '@'");
    memcpy(e->name, name, len);
    e->name[len] = 0;
    for (size_t i = 0; i < sizeof names_taken / sizeof *names_taken; i++)
        if (strcmp(e->name, names_taken[i]) == 0)
            return complain(to,
                            "that name is taken: \"client\" is whoever has a run's token, \"dev\" whom --dev trusts");
    return true;
}

static bool spec_read_scopes(operator_entry *e, const char *text, size_t len, const complaint *to)
{
    for (const char *at = text, *end = text + len; at <= end;) {
        size_t n = strcspn(at, ",:");
        unsigned scope = 0;
        for (size_t i = 0; i < SCOPES_KNOWN; i++)
            if (strlen(scopes_known[i].name) == n && memcmp(scopes_known[i].name, at, n) == 0)
                scope = scopes_known[i].scope;
        if (scope == 0) {
            char what[160];
            (void)snprintf(what, sizeof what, "\"%.*s\" is no scope: they are view, act, start and admin, with commas",
                           (int)(n < 40 ? n : 40), at);
            return complain(to, what);
        }
        e->scopes |= scope;
        at += n + 1;
    }
    return true;
}

/* Reads the file into `text`, with a zero behind it and without the white space at its end; -1 with a message. */
static ssize_t token_read_file(const char *path, char text[TOKEN_BYTES_MAX + 2], bool *is_loose, const complaint *to)
{
    struct stat about = {.st_mode = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len = fd < 0 || fstat(fd, &about) != 0 ? -1 : read(fd, text, TOKEN_BYTES_MAX + 1);
    int reason = errno;
    if (fd >= 0) close(fd);
    if (len < 0) {
        char what[160];
        (void)snprintf(what, sizeof what, "the file cannot be read: %s", strerror(reason));
        (void)complain(to, what);
        return -1;
    }
    *is_loose = (about.st_mode & S_IROTH) != 0;
    while (len > 0 && memchr(" \t\r\n", text[len - 1], 4)) len--;
    text[len] = 0;
    return len;
}

static const char *token_find_fault(const char *token, size_t len)
{
    if (len == 0) return "the file is empty";
    if (len < TOKEN_BYTES_MIN || len > TOKEN_BYTES_MAX)
        return "the token in the file must be of 16 to 4,096 characters";
    if (strspn(token, TOKEN_CHARACTERS) != len)
        return "the token in the file may hold letters, digits and -._~+/= alone, as `openssl rand -hex 24` writes it";
    if (run_token_is_formed(token, len)) return "the token in the file has the form of a run's token";
    return NULL;
}

/* ---- The list ---- */

/* Returns what keeps the entry out of the list; NULL: it is in it. */
static const char *operators_add(operators *o, const operator_entry *e)
{
    if (o->count == OPERATORS_MAX) return "is one more than the 64 there may be";
    for (size_t i = 0; i < o->count; i++) {
        if (strcmp(o->entries[i].name, e->name) == 0) return "the name is there twice";
        if (memcmp(o->entries[i].hash, e->hash, OPERATOR_HASH_BYTES) == 0)
            return "another name has the same token, and nobody could tell the two apart";
    }
    o->entries[o->count++] = *e;
    return NULL;
}

static bool operators_add_spec(operators *o, const complaint *to)
{
    char token[TOKEN_BYTES_MAX + 2];
    operator_entry e = {.scopes = 0};
    bool is_loose = false;
    const char *scopes = strchr(to->spec, ':'), *path = scopes ? strchr(scopes + 1, ':') : NULL;
    if (!path || !path[1]) return complain(to, "must be NAME:SCOPES:FILE, as ann:view,act:/etc/stepwell/ann");
    if (!spec_read_name(&e, to->spec, (size_t)(scopes - to->spec), to)) return false;
    if (!spec_read_scopes(&e, scopes + 1, (size_t)(path - scopes - 1), to)) return false;
    ssize_t len = token_read_file(path + 1, token, &is_loose, to);
    if (len < 0) return false;
    const char *fault = token_find_fault(token, (size_t)len);
    if (!fault) token_hash(token, (size_t)len, e.hash);
    OPENSSL_cleanse(token, sizeof token);
    if (!fault) fault = operators_add(o, &e);
    if (fault) return complain(to, fault);
    o->loose[o->count - 1] = is_loose ? path + 1 : NULL;
    return true;
}

static bool operators_add_admin(operators *o, const char *admin_token, char *error, size_t error_size)
{
    operator_entry e = {.name = "admin", .scopes = OPERATOR_ADMIN};
    token_hash(admin_token, strlen(admin_token), e.hash);
    const char *fault = operators_add(o, &e);
    o->has_admin_token = !fault;
    if (fault) (void)snprintf(error, error_size, "--admin-token beside --token, its name is \"admin\": %s", fault);
    return !fault;
}

operators *operators_new(const char *const *tokens, const char *admin_token, operators_mode mode, char *error,
                         size_t error_size)
{
    operators *o = calloc(1, sizeof *o);
    bool ok = o != NULL;
    (void)snprintf(error, error_size, "out of memory");
    for (; ok && tokens && *tokens; tokens++) {
        ok = operators_add_spec(o, &(complaint){.spec = *tokens, .text = error, .size = error_size});
        if (ok || mode == OPERATORS_ALL) continue;
        log_line(LOG_ERROR, NULL, "%s: this operator is left out", error);
        ok = true;
    }
    if (ok && admin_token && *admin_token) ok = operators_add_admin(o, admin_token, error, error_size);
    if (ok) return o;
    operators_free(o);
    return NULL;
}

void operators_free(operators *o) { free(o); }

size_t operators_count(const operators *o) { return o->count; }

void operators_warn(const operators *o)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->loose[i])
            log_line(LOG_WARN, NULL, "--token %s: every user of this machine may read %s: chmod o-r",
                     o->entries[i].name, o->loose[i]);
    if (o->has_admin_token)
        log_line(LOG_WARN, NULL,
                 "--admin-token will go in the next version: use --token NAME:SCOPES:FILE, which says who did what");
}

const operator_entry *operators_find(const operators *o, const char *token)
{
    uint8_t hash[OPERATOR_HASH_BYTES];
    const operator_entry *found = NULL;
    token_hash(token, strlen(token), hash);
    for (size_t i = 0; i < o->count; i++)
        if (CRYPTO_memcmp(o->entries[i].hash, hash, OPERATOR_HASH_BYTES) == 0) found = &o->entries[i];
    return found;
}

bool operator_may(const operator_entry *who, operator_scope needed)
{
    return (who->scopes & ((unsigned)needed | OPERATOR_ADMIN)) != 0;
}

const char *operator_scope_name(operator_scope scope)
{
    for (size_t i = 0; i < SCOPES_KNOWN; i++)
        if (scopes_known[i].scope == scope) return scopes_known[i].name;
    assert(false && "a scope without a name");
    return "";
}

#include "runtime/clients/link_code.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/base/want.h"

enum { SECRET_BYTES = 32, HASH_BYTES = 32 };
_Static_assert(LINK_CODE_TEXT == 2 * SECRET_BYTES + 1, "two digits a byte");

/* A secret that is good until `until_ms`. */
typedef struct link_secret {
    uint8_t hash[HASH_BYTES];
    int64_t until_ms; /* 0: there is none, or it was used */
} link_secret;

struct link_code {
    pthread_mutex_t lock;
    link_secret code, token;
};

static void link_hash(const char *text, size_t len, uint8_t hash[HASH_BYTES])
{
    unsigned out = 0;
    if (EVP_Digest(text, len, hash, &out, EVP_sha256(), NULL) != 1 || out != HASH_BYTES)
        want_end("the hash of a link's code");
}

static void link_secret_make(link_secret *s, int64_t until_ms, char text[LINK_CODE_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[SECRET_BYTES];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[LINK_CODE_TEXT - 1] = 0;
    OPENSSL_cleanse(bytes, sizeof bytes);
    link_hash(text, LINK_CODE_TEXT - 1, s->hash);
    s->until_ms = until_ms;
}

static bool link_secret_is(const link_secret *s, const uint8_t hash[HASH_BYTES], int64_t now_ms)
{
    bool is_equal = CRYPTO_memcmp(s->hash, hash, HASH_BYTES) == 0;
    return is_equal && now_ms < s->until_ms;
}

link_code *link_code_new(int64_t now_ms, char code[LINK_CODE_TEXT])
{
    link_code *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    if (pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return NULL;
    }
    link_secret_make(&l->code, now_ms + LINK_CODE_MS, code);
    return l;
}

void link_code_free(link_code *l)
{
    if (!l) return;
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

bool link_code_exchange(link_code *l, const char *code, size_t len, int64_t now_ms, char token[LINK_CODE_TEXT])
{
    uint8_t hash[HASH_BYTES];
    link_hash(code, len, hash);
    (void)pthread_mutex_lock(&l->lock);
    bool is_right = link_secret_is(&l->code, hash, now_ms);
    if (is_right) {
        assert(l->token.until_ms == 0); /* the only code makes the only token */
        l->code.until_ms = 0;
        link_secret_make(&l->token, now_ms + LINK_TOKEN_MS, token);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return is_right;
}

bool link_code_knows(link_code *l, const char *token, int64_t now_ms)
{
    uint8_t hash[HASH_BYTES];
    link_hash(token, strlen(token), hash);
    (void)pthread_mutex_lock(&l->lock);
    bool is_known = link_secret_is(&l->token, hash, now_ms);
    (void)pthread_mutex_unlock(&l->lock);
    return is_known;
}

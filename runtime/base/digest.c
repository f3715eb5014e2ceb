#include "runtime/base/digest.h"

#include <openssl/evp.h>
#include <stdbool.h>

#include "runtime/base/want.h"

void digest_texts(uint8_t out[DIGEST_BYTES], const http_text *texts, size_t count, const char *what)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; i < count && ok; i++) {
        uint64_t len = texts[i].len;
        ok = EVP_DigestUpdate(md, &len, sizeof len) == 1 && EVP_DigestUpdate(md, texts[i].data, texts[i].len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(md, out, NULL) == 1;
    EVP_MD_CTX_free(md);
    if (!ok) want_end(what);
}

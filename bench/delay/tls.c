/* tls: a connection's TLS, of OpenSSL, between buffers in memory. */
#include <openssl/ssl.h>
#include <string.h>

#include "bench/delay/delay.h"

static SSL_CTX *context;

static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                       unsigned in_len, void *arg)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    (void)ssl, (void)arg;
    size_t skip = delay.streams_max > 0 ? 0 : 3;
    int found = SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, both + skip,
                                      (unsigned)(sizeof both - 1 - skip), in, in_len);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void tls_start(void)
{
    context = SSL_CTX_new(TLS_server_method());
    must(context && SSL_CTX_use_certificate_chain_file(context, delay.certificate) == 1 &&
             SSL_CTX_use_PrivateKey_file(context, delay.certificate, SSL_FILETYPE_PEM) == 1 &&
             SSL_CTX_set_session_id_context(context, (const unsigned char *)"delay", 5) == 1,
         "certificate and key");
    SSL_CTX_set_alpn_select_cb(context, tls_on_alpn, NULL);
}

void tls_accept(delay_conn *c)
{
    c->ssl = SSL_new(context);
    c->from = BIO_new(BIO_s_mem());
    c->to = BIO_new(BIO_s_mem());
    must(c->ssl && c->from && c->to, "memory");
    SSL_set_bio(c->ssl, c->from, c->to);
    SSL_set_accept_state(c->ssl);
}

/* Sends what OpenSSL has made. */
static void flush(delay_conn *c)
{
    char bytes[DELAY_BYTES_MAX];
    SSL *ssl = c->ssl;
    int n;
    c->ssl = NULL; /* conn_send would encrypt it again */
    while ((n = BIO_read(c->to, bytes, sizeof bytes)) > 0) conn_send(c, bytes, (size_t)n);
    c->ssl = ssl;
}

static void on_shaken_hands(delay_conn *c)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(c->ssl, &name, &len);
    seen.resumed += SSL_session_reused(c->ssl) == 1;
    if (len == 2) http2_start(c);
}

bool tls_take(delay_conn *c, size_t len, bool (*take)(delay_conn *c, const char *bytes, size_t len))
{
    char plain[DELAY_BYTES_MAX];
    bool was_shaking = !SSL_is_init_finished(c->ssl);
    must(BIO_write(c->from, c->bytes, (int)len) == (int)len, "memory");
    if (was_shaking) {
        (void)SSL_do_handshake(c->ssl);
        if (SSL_is_init_finished(c->ssl)) on_shaken_hands(c);
    }
    int n = 0;
    bool good = true;
    while (good && SSL_is_init_finished(c->ssl) && (n = SSL_read(c->ssl, plain, sizeof plain)) > 0)
        good = take(c, plain, (size_t)n);
    int error = n > 0 || !SSL_is_init_finished(c->ssl) ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
    flush(c);
    return good && (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ);
}

void tls_send(delay_conn *c, const void *bytes, size_t len)
{
    must(SSL_write(c->ssl, bytes, (int)len) == (int)len, "TLS");
    flush(c);
}

void tls_end(delay_conn *c)
{
    SSL_free(c->ssl); /* with both buffers */
    c->ssl = NULL;
}

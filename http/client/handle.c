#include "http/client/handle.h"

bool handle_prepare(CURL *h)
{
    return curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
}

bool handle_prepare_multi(CURLM *m)
{
#if LIBCURL_VERSION_NUM >= 0x081400
    return curl_multi_setopt(m, CURLMOPT_QUICK_EXIT, 1L) == CURLM_OK;
#else
    return m != NULL;
#endif
}

/* rocks_seq: sequence numbers of segments that hold no entries. */
#ifndef STORAGE_ROCKS_ROCKS_SEQ_H
#define STORAGE_ROCKS_ROCKS_SEQ_H

#include <stdint.h>

#define ROCKS_SEQ_EXPIRY (UINT32_MAX - 2) /* the key of the one expiry row that counts, see batch_reopen */
#define ROCKS_SEQ_KEY    (UINT32_MAX - 1) /* its value is the hash of the run's key, see store_key */
#define ROCKS_SEQ_LONE   UINT32_MAX       /* empty: the run has an expiry row, see batch_expiry */
#define ROCKS_SEQ_END    ROCKS_SEQ_EXPIRY /* the first of them: segments with entries come before */

#endif

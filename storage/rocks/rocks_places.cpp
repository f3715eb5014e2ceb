// A run that goes on for long, such as one that streams, adds a segment to each commit, beside its former ones. With a
// thousand such runs RocksDB would search the whole memtable for each of these places, which takes three quarters of an
// insert. With the option ROCKS_PLACES the memtable remembers, for each value of Transform, where it has inserted last.
#include <rocksdb/slice_transform.h>
#include <rocksdb/utilities/object_registry.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>

extern "C" {
#include "storage/rocks/rocks_places.h"
#include "storage/row_bytes.h"
}

namespace
{

class places final : public rocksdb::SliceTransform
{
  public:
    const char *Name() const override { return ROCKS_PLACES; }

    rocksdb::Slice Transform(const rocksdb::Slice &key) const override
    {
        return rocksdb::Slice(key.data(), RUN_ID_BYTES);
    }

    // Not of a run's first segment. Most runs have no other, and nobody comes back to their places: each would cost
    // 280 bytes, and a search where the place behind the last run's would do. Also, a range of keys that is deleted
    // begins with a run's first one, and RocksDB 7.8 would take the place of the memtable's for one in its list of
    // deleted ranges.
    bool InDomain(const rocksdb::Slice &key) const override
    {
        static const char first[sizeof(uint32_t)] = {0, 0, 0, 0};
        return key.size() == ROW_SEGMENT_KEY_BYTES && std::memcmp(key.data() + RUN_ID_BYTES, first, sizeof first) != 0;
    }
};

rocksdb::SliceTransform const *make_places(const std::string &, std::unique_ptr<const rocksdb::SliceTransform> *made,
                                           std::string *)
{
    made->reset(new places);
    return made->get();
}

} // namespace

extern "C" void rocks_places_register(void)
{
    static std::once_flag once;
    std::call_once(once, [] {
        rocksdb::ObjectLibrary::Default()->AddFactory<const rocksdb::SliceTransform>(ROCKS_PLACES, make_places);
    });
}

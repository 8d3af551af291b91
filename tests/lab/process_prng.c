/* bcryptprimitives.dll for a Wine that has none.
 *
 * Rust's standard library takes its random numbers from ProcessPrng, which Windows has had since version 10. The
 * older name for the same source, RtlGenRandom, is exported by advapi32 as SystemFunction036.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length > 0x10000000 ? 0x10000000 : (ULONG)length;
        if (!SystemFunction036(data, part))
            return FALSE;
        data += part;
        length -= part;
    }
    return TRUE;
}

/* revocation.dll: no certificate is revoked.
 *
 * Programs that ask Windows to judge a certificate tell it to accept one whose revocation list cannot be had. Wine
 * does not hear that, and has no lists: every certificate would be refused. All else is still checked.
 */
#include <windows.h>
#include <wincrypt.h>

__declspec(dllexport) BOOL WINAPI CertDllVerifyRevocation(DWORD encoding, DWORD type, DWORD count, PVOID *contexts,
                                                          DWORD flags, PCERT_REVOCATION_PARA para,
                                                          PCERT_REVOCATION_STATUS status)
{
    (void)encoding, (void)type, (void)count, (void)contexts, (void)flags, (void)para, (void)status;
    return TRUE;
}

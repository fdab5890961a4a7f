/** Build of the Windows whose structures this kernel has. */
export const BUILD_NUMBER = 19041;

/** What the variable NtBuildLab says. */
export const BUILD_LAB = `${BUILD_NUMBER}.1.amd64fre.vb_release.191206-1406`;

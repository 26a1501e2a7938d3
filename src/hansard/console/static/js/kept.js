// What this browser keeps of how somebody likes the console. One that keeps nothing has the usual, every time.

export function kept(name, usual) {
  try {
    return localStorage.getItem(`hansard.${name}`) ?? usual;
  } catch {
    return usual;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`hansard.${name}`, value);
  } catch {
    // It then holds for this page only.
  }
}

() => {
  // Files beside the pages are not in a PDF: what led to them stays as words
  const files = document.querySelectorAll('a[download], a[href*="_static/"]');
  files.forEach(link => link.replaceWith(...link.childNodes));
  // All pages are one: a link to another page is a link to its part, and what leads to no part
  // becomes words
  document.querySelectorAll('a[href]').forEach(link => {
    const address = link.getAttribute('href');
    if (/^[a-z]+:/i.test(address)) return;
    const part = decodeURIComponent(/#(.*)/s.exec(address)?.[1] ?? '');
    if (part && document.getElementById(part)) link.setAttribute('href', '#' + part);
    else link.replaceWith(...link.childNodes);
  });
  // Filters and buttons answer to nobody there, and code that the pages fold away is left out
  const unused = 'form, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-header, .bd-header-article, '
    + '.bd-footer, .prev-next-footer, button, pst-scroll-pixel-helper, #pst-back-to-top, '
    + 'details.hide';
  document.querySelectorAll(unused).forEach(part => part.remove());
  document.querySelectorAll('details.sd-dropdown').forEach(part => { part.open = true; });
}

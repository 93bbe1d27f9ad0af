/** The sign of Portcullis, a gate let half down, as an SVG of 64 by 64 units without script or style. */
export const mark = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">
  <rect width="64" height="64" rx="14" fill="#17594f"/>
  <path d="M22.5 14v28M32 12v30M41.5 14v28M12 24.5h40M12 34.5h40" fill="none" stroke="#bfe6dd" stroke-width="3.5"/>
  <path d="M19 41h7l-3.5 9zM28.5 41h7L32 50zM38 41h7l-3.5 9z" fill="#bfe6dd"/>
  <path d="M11 54V31a21 21 0 0 1 42 0v23" fill="none" stroke="#ffffff" stroke-width="5" stroke-linecap="round"/>
</svg>
`;
